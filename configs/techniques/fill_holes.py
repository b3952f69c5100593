title = 'fill holes'
description = 'Holes of up to 64 pixels in a foreground class join that class.'
use_when = 'For objects that are known to be solid; not for rings, or for tissue with real cavities.'
paper = 'Soille, Morphological Image Analysis: Principles and Applications, Springer 2003'
imports = ['plugins.refine.fill_holes']
overlay = dict(inference=dict(refine=dict(holes=dict(order=25, type='FillHoles', max_size=64))))
search = dict(space=dict(max_size=[16, 32, 64, 128, 256]), trials=5)
