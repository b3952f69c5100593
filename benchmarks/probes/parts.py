"""The time of each part of an inference: the steps of a pipeline, the views, the refinements.

Each part stands behind a timer for a while; no code of a part changes.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence
from contextlib import contextmanager
from typing import Any

IMAGE = 'img'  # the key under which a pipeline holds pixels


class PartTimes:
    """Durations of the parts of one inference after another.

    Args:
        now_ms: The clock.

    Attributes:
        load: Milliseconds of each sample until its pixels were there; empty if no pipeline was seen.
        views: Of each view the milliseconds of each sample, from the viewed image to its map turned back; empty where
            views went through the network together, so that their times cannot be told apart.
        refine: Of each refinement the milliseconds of each sample.
    """

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self.now_ms = now_ms
        self.load: list[float] = []
        self.views: dict[str, list[float]] = {}
        self.refine: dict[str, list[float]] = {}
        self._begin()

    def _begin(self) -> None:
        self._loading: list[float] = []
        self._begun: dict[str, float] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        self._refining: dict[str, float] = {}

    def end_sample(self) -> None:
        """Take in the parts of the sample that has ended."""
        if self._loading:
            self.load.append(sum(self._loading))
        spans = sorted(self._spans.values())
        if all(end <= start for (_, end), (start, _) in zip(spans, spans[1:])):
            for name, (start, end) in self._spans.items():
                self.views.setdefault(name, []).append(end - start)
        for name, spent in self._refining.items():
            self.refine.setdefault(name, []).append(spent)
        self._begin()

    def as_facts(self, n_samples: int) -> dict[str, Any]:
        """``load``, ``views`` and ``refine`` as JSON, without what was not timed in each of the samples."""
        whole = {
            kind: {name: times for name, times in of_kind.items() if len(times) == n_samples}
            for kind, of_kind in dict(views=self.views, refine=self.refine).items()
        }
        return dict(load=self.load if len(self.load) == n_samples else [], **whole)

    def timed_step(self, step: Callable[[dict], Any]) -> Callable[[dict], Any]:
        """A step of a pipeline; its time counts as loading if no pixels were there before it."""

        def run(results: dict) -> Any:
            loads, start = IMAGE not in results, self.now_ms()
            try:
                return step(results)
            finally:
                if loads:
                    self._loading.append(self.now_ms() - start)

        return run

    def timed_view(self, name: str, view: Any) -> Any:
        """A view."""

        def forward(image: Any) -> Any:
            self._begun[name] = self.now_ms()
            return view.forward(image)

        def inverse(maps: Any, size: tuple[int, int]) -> Any:
            result = view.inverse(maps, size)
            self._spans[name] = self._begun[name], self.now_ms()
            return result

        return _InPlace(view, dict(forward=forward, inverse=inverse))

    def timed_refinement(self, name: str, refinement: Any) -> Any:
        """A refinement."""

        def timed(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def run(results: Any) -> Any:
                start = self.now_ms()
                result = function(results)
                self._refining[name] = self._refining.get(name, 0.0) + self.now_ms() - start
                return result

            return run

        several = getattr(refinement, 'transform_many', None)
        methods = dict(transform_many=timed(several)) if several else {}
        return _InPlace(refinement, methods, timed(refinement))


class _InPlace:
    """Stands in the place of a part: has some methods of its own, and all else of the part."""

    def __init__(self, part: Any, methods: Mapping[str, Callable], call: Callable | None = None) -> None:
        self._part, self._call = part, call
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __call__(self, results: Any) -> Any:
        return (self._call or self._part)(results)


@contextmanager
def timed_parts(
    times: PartTimes, pipelines: list[MutableSequence], views: MutableMapping[str, Any], chain: MutableSequence
) -> Iterator[None]:
    """Put timers in the place of all parts; leaving the context puts the parts back.

    Args:
        times: Where the durations go.
        pipelines: The steps of each pipeline.
        views: The views by name.
        chain: The refinements, named tuples with ``name`` and ``refinement``.
    """
    kept = [list(steps) for steps in pipelines], dict(views), list(chain)
    try:
        for steps in pipelines:
            steps[:] = [times.timed_step(step) for step in steps]
        for name, view in list(views.items()):
            views[name] = times.timed_view(name, view)
        chain[:] = [step._replace(refinement=times.timed_refinement(step.name, step.refinement)) for step in chain]
        yield
    finally:
        for steps, own in zip(pipelines, kept[0]):
            steps[:] = own
        views.update(kept[1])
        chain[:] = kept[2]
