title = 'remove small components'
description = 'Components of a foreground class below 16 pixels join the nearest pixel that remains.'
use_when = 'For speckle when all real objects exceed 16 pixels: set min_size below your smallest object.'
paper = 'Rosenfeld & Pfaltz, Sequential Operations in Digital Picture Processing, JACM 1966'
imports = ['plugins.refine.components']
overlay = dict(inference=dict(refine=dict(small=dict(order=30, type='Components', min_size=16))))
search = dict(space=dict(min_size=[4, 8, 16, 32, 64, 128]), trials=6)
