"""What the profile leaves out of a complete inference, and how many samples it takes."""

from contextlib import contextmanager

import pytest

from benchmarks.probes.latency import Stopwatch
from benchmarks.stacks.pipelines import without_masks
from benchmarks.stages import profile
from benchmarks.stages.progress import Progress


def test_masks_are_not_loaded_wherever_the_pipeline_stands():
    steps = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    config = dict(
        test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[dict(pipeline=steps)])), size=(3, 5)
    )
    without = without_masks(config)
    pipeline = without['test_dataloader']['dataset']['datasets'][0]['pipeline']
    assert [step['type'] for step in pipeline] == ['LoadImageFromFile', 'PackSegInputs']
    assert without['size'] == (3, 5) and len(steps) == 3


class Model:
    """Keeps the images that it has predicted, and on which of them it had to compile inside a timed sample."""

    def __init__(self):
        self.predicted, self.known, self.late, self.timing = [], set(), [], False

    def test_step(self, batch):
        (image,) = batch['inputs']
        if self.timing and image.shape not in self.known:
            self.late.append(image.n)
        self.known.add(image.shape)
        self.predicted.append(image.n)


class Image:
    def __init__(self, n, shape):
        self.n, self.shape = n, shape


class Watch(Stopwatch):
    """Tells the model when it is timed."""

    def __init__(self, model):
        super().__init__('cpu')
        self.model = model

    @contextmanager
    def __call__(self, name):
        self.model.timing = True
        with super().__call__(name):
            yield
        self.model.timing = False


def taken(tmp_path, monkeypatch, budget_s, shapes=7 * [(3, 4, 4)], extra=0):
    """Indices of the timed images; ``extra``: how many more run untimed than the least."""
    monkeypatch.setattr(profile, 'BUDGET_S', budget_s)
    model, progress = Model(), Progress(tmp_path, profile.WARM_UP + profile.FEWEST)
    watch = Watch(model)
    indices, warm_up = profile._time_together(
        model, [dict(inputs=Image(n, shape)) for n, shape in enumerate(shapes)], watch, progress, {}
    )
    assert warm_up == profile.WARM_UP + extra and progress.total == progress.step
    assert len(model.predicted) == warm_up + len(indices) == progress.step
    assert len(watch.samples_ms['total']) == len(indices) and model.late == []
    return indices


def test_small_splits_are_gone_through_again(tmp_path, monkeypatch):
    assert taken(tmp_path, monkeypatch, 60) == [n % 7 for n in range(profile.SAMPLES)]


def test_slow_inference_gets_the_fewest_samples(tmp_path, monkeypatch):
    assert len(taken(tmp_path, monkeypatch, 0)) == profile.FEWEST


def test_each_size_is_predicted_once_before_it_is_timed(tmp_path, monkeypatch):
    shapes = [(3, 4, 4), (3, 4, 4), (3, 5, 4), (3, 4, 4), (3, 4, 5), (3, 5, 4), (3, 4, 5), (3, 9, 9)]
    assert len(taken(tmp_path, monkeypatch, 60, shapes, extra=2)) == profile.SAMPLES


def test_sizes_that_are_never_timed_are_not_warmed_up_for(tmp_path, monkeypatch):
    shapes = [(3, n, n) for n in range(1, 60)]
    assert len(taken(tmp_path, monkeypatch, 0, shapes, extra=profile.FEWEST - profile.WARM_UP)) == profile.FEWEST


def test_the_progress_of_slow_images_expects_the_samples_that_fit_into_the_budget():
    assert profile._expected(3.6, 1) == profile.FEWEST
    assert profile._expected(0.5, 5) == 20  # 0.1 s each, 2 s in all
    assert profile._expected(2.1, 19) == 19
    assert profile._expected(0.0, 1) == profile._expected(0.001, 1) == profile.SAMPLES


class PretendMachine:
    """Says for each try in turn how busy the machine was."""

    def __init__(self, *cores):
        self.cores, self.asked = list(cores), 0

    def __call__(self):
        return self

    def end(self, samples, sizes):
        assert len(samples) == len(sizes)
        cores = self.cores[self.asked]
        self.asked += 1
        return dict(busy=f'{cores} cores' if cores else None, others_cores=cores, noise=0.1)


@pytest.mark.parametrize(
    'cores, tries, busy', [((0,), 1, None), ((2, 0), 2, None), ((2, 3, 1), 3, '1 cores'), ((1, 3, 2), 3, '1 cores')]
)
def test_a_busy_machine_is_measured_again_and_otherwise_named(tmp_path, monkeypatch, cores, tries, busy):
    monkeypatch.setattr(profile, 'BUDGET_S', 0)
    machine, watch = PretendMachine(*cores), Stopwatch('cpu')
    data = [dict(inputs=Image(n, (3, 4, 4))) for n in range(3)]
    progress = Progress(tmp_path, profile.WARM_UP + profile.SAMPLES)
    taken, _, facts = profile._time_in_quiet(Model(), data, watch, progress, machine)
    assert (facts['tries'], facts['busy'], machine.asked) == (tries, busy, tries)
    assert len(taken) == profile.FEWEST == len(watch.samples_ms['total'])
    assert (tmp_path / 'progress.json').exists() and progress.total >= progress.step


def test_tries_end_with_their_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(profile, 'BUDGET_S', 0)
    monkeypatch.setattr(profile, 'TRIES_S', 0)
    machine, data = PretendMachine(1, 1, 1), [dict(inputs=Image(0, (3, 4, 4)))]
    *_, facts = profile._time_in_quiet(Model(), data, Stopwatch('cpu'), Progress(tmp_path, 9), machine)
    assert facts['tries'] == 1 and facts['busy']
