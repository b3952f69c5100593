title = 'opening and closing'
description = 'Opening, then closing, of every foreground class with a 3×3 cross.'
use_when = 'For speckled masks of compact objects; not for structures thinner than 3 pixels, which opening deletes.'
paper = 'Serra, Image Analysis and Mathematical Morphology, Academic Press 1982'
imports = ['plugins.refine.morphology']
overlay = dict(
    inference=dict(
        refine=dict(
            opening=dict(order=20, type='Morphology', operation='open', radius=1),
            closing=dict(order=21, type='Morphology', operation='close', radius=1),
        )
    )
)
search = dict(space={'opening.radius': [1, 2, 3], 'closing.radius': [1, 2, 3]}, trials=9)
