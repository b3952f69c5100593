"""Which trainings and inferences are tried, what is remembered of them, and what is said of a fault."""

import signal
from types import SimpleNamespace

import pytest

from benchmarks.errors import BadInput
from benchmarks.plan.plan import Cell, Stage
from benchmarks.preflight.attempt import Fault, Unshown
from benchmarks.run.watched import Died, Late
from benchmarks.session.trials import try_all, untried

SIZES = ((64, 64), (41, 73))
SPLIT = SimpleNamespace(images=['a.tif', 'b.tif'], classes=('background', 'cell'), ignore_index=254)
DATA = SimpleNamespace(of=lambda dataset: SimpleNamespace(split=SPLIT))
BASELINE = SimpleNamespace(with_protocol={})


def config_of(stack):
    loaders = {name: dict(dataset='data') for name in ('train_dataloader', 'test_dataloader')}
    return dict(model='U-Net', stack=stack, **loaders)


def stage(kind, key, stack, parents=(), **ingredients):
    return Stage(kind, key, stack, 0, '', config_of(stack), tuple(parents), {**ingredients, 'parent of it': key})


def plan_of(*cells):
    """A plan of cells, each with a stack, a seed and its stages."""
    stages = {one.key: one for _, _, steps in cells for one in steps}
    made = [
        Cell(stack, seed, config_of(stack), tuple((one.kind, one.key) for one in steps)) for stack, seed, steps in cells
    ]
    return SimpleNamespace(stages=stages, cells=made)


def two_seeds():
    return [
        ((), seed, [stage('train', f't{seed}', (), loss='ce'), stage('predict', f'p{seed}', (), views='1')])
        for seed in (0, 1)
    ]


def kinds(trials):
    return [('train' if trial.training else 'test', trial.stacks) for trial in trials]


def test_the_seeds_of_a_training_and_of_its_inference_are_tried_once(tmp_path):
    assert kinds(untried(plan_of(*two_seeds()), tmp_path)) == [('train', ['baseline']), ('test', ['baseline'])]


def test_a_refinement_of_a_shared_prediction_is_tried_by_its_own_config(tmp_path):
    (_, _, (train, predict)), _ = two_seeds()
    refined = ('crf',), 0, [train, predict, stage('refine', 'r', ('crf',), crf='3')]
    trials = untried(plan_of(((), 0, [train, predict]), refined), tmp_path)
    assert kinds(trials) == [('train', ['baseline', 'crf']), ('test', ['baseline']), ('test', ['crf'])]
    assert trials[2].config['stack'] == ('crf',)


def test_an_inference_is_tried_again_when_the_code_of_its_network_has_changed(tmp_path):
    def trials(code):
        train = stage('train', 't', (), **{'code heads': code})
        return untried(plan_of(((), 0, [train, stage('predict', 'p', ())])), tmp_path)

    assert {one.memory for one in trials('old')}.isdisjoint(one.memory for one in trials('new'))


def test_a_student_is_not_tried_because_its_labels_do_not_exist_yet(tmp_path):
    student = stage('train', 's', ('student',), parents=[('label', 'l')])
    trials = untried(plan_of((('student',), 0, [student, stage('predict', 'p', ('student',))])), tmp_path)
    assert kinds(trials) == [('test', ['student'])]


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Tries a plan with given answers of the processes; returns the notes, and what is left to try."""
    facts = [SimpleNamespace(height=height, width=width, channels=3, bits=8) for height, width in SIZES]
    monkeypatch.setattr('benchmarks.session.trials.FileStore.images', lambda self, paths: facts)
    plan, stacks = plan_of(*two_seeds()), SimpleNamespace(techniques={})

    def run(*answers, device='cpu'):
        def watched(prepare, attempts, limit_s, at_once):
            assert [attempt.ignore_index for attempt in attempts] == [254, 254]
            run.at_once.append(at_once)
            return enumerate(answers)

        launcher = SimpleNamespace(watched=watched)
        notes = try_all(untried(plan, tmp_path), stacks, BASELINE, DATA, tmp_path, launcher, device=device)
        return notes, kinds(untried(plan, tmp_path))

    run.at_once = []
    return run


def test_what_worked_is_remembered(tried):
    assert tried(None, None) == ([], [])


def test_what_shows_nothing_is_told_and_remembered_because_it_would_show_nothing_again(tried):
    notes, left = tried(Late(), Died(-signal.SIGKILL))
    assert left == [] and len(notes) == 2
    assert 'took longer than 30 s' in notes[0] and "the stack 'baseline'" in notes[0]
    assert 'too little memory' in notes[1]


def test_trials_on_a_gpu_run_one_at_a_time(tried):
    tried(None, Unshown('had too little memory'), device='cuda:0')
    assert tried.at_once == [1]


def test_one_fault_of_a_training_and_its_test_is_told_once(tried):
    with pytest.raises(BadInput) as caught:
        tried(Fault('the network fails'), Fault('the network fails', image=1))
    (only,) = caught.value.args
    assert 'one batch of training images' in only


def test_a_fault_names_images_stack_and_cure(tried):
    with pytest.raises(BadInput) as caught:
        tried(Fault('the loss fails; mend it'), Fault('the network fails', image=1))
    first, second = caught.value.args
    assert 'training images (such as b.tif of 41×73 pixels, a.tif of 64×64 pixels)' in first and 'mend it' in first
    assert second == "the stack 'baseline': the test image b.tif of 41×73 pixels cannot be predicted: the network fails"


def test_a_process_that_crashes_is_a_fault(tried):
    with pytest.raises(BadInput, match='the test cannot begin .* the process ended with signal 11'):
        tried(None, Died(-signal.SIGSEGV))
