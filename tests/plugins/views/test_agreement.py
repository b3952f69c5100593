"""Where views agree: by hand."""

import torch

from plugins.views.agreement import ViewLabels


def test_all_views_have_to_agree_and_each_set_of_views_for_itself():
    seen, views = ViewLabels(), dict(a=object(), b=object(), c=object())
    seen.see(views['a'], torch.tensor([[[1.0, 1, 0]], [[0.0, 0, 1]]]))
    seen.see(views['b'], torch.tensor([[[3.0, 0, 0]], [[1.0, 1, 2]]]))
    seen.see(views['c'], torch.tensor([[[2.0, 2, 2]], [[0.0, 0, 0]]]))
    assert seen.agreement(views).tolist() == [[True, False, False]]
    assert seen.agreement(dict(a=views['a'], b=views['b'])).tolist() == [[True, False, True]]
    assert seen.agreement(dict(a=views['a'])) is None


def test_one_channel_has_labels_by_its_threshold():
    views = dict(a=object(), b=object())
    for threshold, agree in ((0.5, [[True, False]]), (0.9, [[True, True]])):
        seen = ViewLabels(threshold)
        seen.see(views['a'], torch.tensor([[[-1.0, 1.0]]]))
        seen.see(views['b'], torch.tensor([[[-1.0, -1.0]]]))
        assert seen.agreement(views).tolist() == agree
