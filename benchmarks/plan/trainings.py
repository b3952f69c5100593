"""The stages that train a network: of each member of an ensemble, and of a student's teacher."""

from collections.abc import Sequence

from benchmarks.files import digest
from benchmarks.plan.keys import refuse_addresses
from benchmarks.plan.making import KeyContext, Owner, ingredients_of, make_stage, version
from benchmarks.plan.plan import Stage
from benchmarks.stacks.network_trials import with_alternatives
from benchmarks.stacks.protocol import with_seed
from benchmarks.stacks.several_networks import TEACHER, Member, ensemble_of, has_teacher, labelling, student, teacher


class NetworkTraining:
    """The ingredients of one network's training, and of its teacher's; only the seed differs between its cells."""

    def __init__(self, config: dict, context: KeyContext) -> None:
        self.config, self.context = config, context
        refuse_addresses(config)
        self.parts = ingredients_of(config, context)
        self.train = {
            **self.parts['train'],
            'data train': context.fingerprint(config['train_dataloader']['dataset']),
            **context.versions,
        }
        self.teacher = NetworkTraining(teacher(config), context) if has_teacher(config) else None
        if self.teacher:
            self.labelling = labelling(config, context.baseline, context.code.acts_in_test_only)
            images = self.labelling['test_dataloader']['dataset']
            self.label = {
                **ingredients_of(self.labelling, context)['predict'],
                'data unlabelled': context.fingerprint(images),
                **version('label'),
                'config confidence': digest(config[TEACHER]['confidence']),
            }

    def stages(self, seed: int, owner: Owner) -> list[Stage]:
        """The stages that train the network with this seed, in order; its own training comes last.

        Args:
            seed: The seed of the training, which for an ensemble's member is not that of the cell.
            owner: The cell that asks for them.
        """
        config, before, parents = self.config, [], []
        if self.teacher:
            before = self.teacher.stages(seed, owner.network('teacher'))
            labels = make_stage('label', owner, with_seed(self.labelling, seed), before[-1:], self.label)
            before, parents = [*before, labels], [labels]
            config = student(config, self.context.label_dir(labels.key))
        config = with_seed(config, seed)
        own = {'config randomness': digest(config['randomness'])}
        return [*before, make_stage('train', owner, config, parents, self.train, own)]

    def after_choice(
        self, seed: int, owner: Owner, choose: Stage, others: Sequence['NetworkTraining'], rank: int | None = None
    ) -> Stage:
        """The stage that trains the network with the values that were chosen.

        Args:
            seed: As in :meth:`stages`.
            owner: Likewise.
            choose: The choice.
            others: The training with the values of each trial.
            rank: Of which of the trials that go on to a further round the values are; None for the chosen trial.
        """
        alternatives = [with_seed(one.config, seed) for one in others]
        config = with_alternatives(with_seed(self.config, seed), alternatives, rank)
        trials = {f'trial {number}': digest(one.train) for number, one in enumerate(others, 1)}
        ranked = {} if rank is None else {'rank': str(rank)}
        ingredients = {**self.train, **trials, **ranked, 'config randomness': digest(config['randomness'])}
        return make_stage('train', owner, config, (choose,), ingredients)


def trainings_of(config: dict, networks: Sequence[Member], context: KeyContext) -> list[NetworkTraining]:
    """The training of each member; members that differ by the seed alone have one config, which is read once."""
    way, _ = ensemble_of(config)
    if way == 'seeds':
        return [NetworkTraining(networks[0].config, context)] * len(networks)
    return [NetworkTraining(member.config, context) for member in networks]
