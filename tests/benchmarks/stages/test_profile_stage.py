"""What the profile leaves out of a complete inference, and how many samples it takes."""
from benchmarks.probes.latency import Stopwatch
from benchmarks.stages import profile
from benchmarks.stages.progress import Progress


def test_masks_are_not_loaded_wherever_the_pipeline_stands():
    steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    config = dict(test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[dict(pipeline=steps)])), size=(3, 5))
    without = profile._without_truth(config)
    pipeline = without['test_dataloader']['dataset']['datasets'][0]['pipeline']
    assert [step['type'] for step in pipeline] == ['LoadImageFromFile', 'PackSegInputs']
    assert without['size'] == (3, 5) and len(steps) == 3


class Model:
    """Counts the images that it has predicted."""
    count = 0

    def test_step(self, batch):
        self.count += 1


def taken(tmp_path, monkeypatch, budget_s):
    monkeypatch.setattr(profile, 'BUDGET_S', budget_s)
    model, watch = Model(), Stopwatch('cpu')
    indices = profile._time_together(model, [dict(n=n) for n in range(7)], watch, Progress(tmp_path, 1))
    assert model.count == profile.WARM_UP + len(indices) and len(watch.samples_ms['total']) == len(indices)
    return indices


def test_small_splits_are_gone_through_again(tmp_path, monkeypatch):
    assert taken(tmp_path, monkeypatch, 60) == [n % 7 for n in range(profile.SAMPLES)]


def test_slow_inference_gets_the_fewest_samples(tmp_path, monkeypatch):
    assert len(taken(tmp_path, monkeypatch, 0)) == profile.FEWEST
