"""What stages are made of: the ingredients of their keys, their keys, and the cell that asks for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.errors import did_you_mean
from benchmarks.files import digest
from benchmarks.kinds import BY_NAME, Kind
from benchmarks.plan.keys import as_computed, config_parts, measured_part, stage_key, with_weights_by_content
from benchmarks.plan.layered import Layered
from benchmarks.plan.plan import Stage, Step
from benchmarks.stacks.plugin_code import PluginCode
from benchmarks.stacks.technique import Stack
from benchmarks.stages.parents import by_role

Ingredients = dict[str, str]


@dataclass(frozen=True)
class KeyContext:
    """Everything but the config that enters keys.

    Args:
        baseline: The baseline's config under the protocol; a teacher labels as the baseline tests.
        code: The plugin modules' source.
        fingerprint: From a data set's config to a digest of its content.
        names: From a data set's config to a digest of its images' and groups' names.
        versions: major.minor of the libraries that compute (torch, mmseg).
        device_type: ``cpu`` or ``cuda``.
        hardware: The processor's or GPU's name, which latencies depend on.
        label_dir: From the key of a stage ``label`` to the folder of its labels.
    """

    baseline: dict = field(repr=False)
    code: PluginCode
    fingerprint: Callable[[dict], str]
    names: Callable[[dict], str]
    versions: dict[str, str]
    device_type: str
    hardware: str
    label_dir: Callable[[str], str]


@dataclass(frozen=True)
class Owner:
    """The cell that asks for a stage, and the role of the stage in it; see :class:`Stage`."""

    stack: Stack
    seed: int | None
    fold: int | None = None
    role: str = ''

    def network(self, role: str) -> 'Owner':
        """The same cell, and one of its networks."""
        return replace(self, role=f'{self.role} {role}'.strip())


def ingredients_of(config: dict, context: KeyContext) -> dict[str, Ingredients]:
    """Ingredients of the keys of ``train``, ``predict`` and ``refine``, except data, seed and parents."""
    parts = config_parts(with_weights_by_content(config), context.code.acts_in_test_only)
    return {
        kind: {
            **{f'config {path}': digest(as_computed(value)) for path, value in part.items()},
            **{f'code {module}': code for module, code in context.code.modules_reached(part).items()},
            **version(kind),
            'device': context.device_type,
        }
        for kind, part in parts.items()
    }


def network_ingredients(config: dict, context: KeyContext) -> Ingredients:
    """The ingredients of a profile's key that say which network is measured."""
    part = measured_part(config, context.code.acts_in_training_only)
    return {
        **{f'config {path}': digest(as_computed(value)) for path, value in part.items()},
        **{f'code {module}': code for module, code in context.code.modules_reached(part).items()},
    }


def version(kind: str) -> Ingredients:
    """The version of a kind, as an ingredient."""
    return {'stage version': str(kind_of(kind).version)}


def kind_of(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ValueError: There is none.
    """
    if name not in BY_NAME:
        raise ValueError(f"there is no stage kind '{name}' in benchmarks/kinds.py{did_you_mean(name, BY_NAME)}")
    return BY_NAME[name]


def make_stage(
    kind: str,
    owner: Owner,
    config: dict,
    parents: Sequence[Stage],
    ingredients: Mapping[str, str],
    own: Mapping[str, str] | None = None,
) -> Stage:
    """A stage that reads all its parents.

    Args:
        kind: Its kind.
        owner: The cell that asks for it.
        config: The resolved config that it runs.
        parents: The stages whose results it reads; their keys enter its own.
        ingredients: All else that its result depends on, by name. Stages that are given the same mapping share it.
        own: What more there is for this stage alone.
    """
    steps = tuple(parent.step for parent in parents)
    parent_keys = {f'parent {role}': key for role, key in by_role(steps).items()}
    return keyed_stage(kind, owner, config, steps, Layered(ingredients, {**(own or {}), **parent_keys}))


def keyed_stage(
    kind: str, owner: Owner, config: dict, parents: tuple[Step, ...], ingredients: Mapping[str, str]
) -> Stage:
    """A stage whose key depends on its ingredients alone, and not on its parents."""
    key = stage_key({**ingredients, 'kind': kind_of(kind).name})
    return Stage(kind, key, owner.stack, owner.seed, owner.role, config, parents, ingredients, fold=owner.fold)
