"""The Vega-Lite specification of accuracy against cost, and the choices that change it."""

from collections.abc import Sequence
from typing import Any

from benchmarks.analysis.metrics import METRIC_OF, Metric
from benchmarks.reports.page.figure import (
    BLUE,
    BROWN,
    GREY,
    PALE,
    PALE_BLUE,
    PLOT_HEIGHT,
    Control,
    specification,
    tooltip,
    usual_range,
)

COSTS = {
    'latency_ms_p50': 'latency p50, ms (left is faster)',
    'throughput_img_s': 'throughput, images/s (right is faster)',
    'infer_peak_mib': 'inference memory, MiB',
    'gflops': 'GFLOPs of an inference',
    'params_m': 'parameters, millions',
    'train_s': 'training, s',
}
SHAPES = {'gain': 'triangle-up', 'loss': 'triangle-down', 'equivalent': 'diamond', 'not shown': 'circle'}
FRONT_CHANCE = 'chance to be on the Pareto front'
FRONT = {'likely': BLUE, 'possible': PALE_BLUE, 'unlikely': GREY, 'not known': BROWN}
_SCALES = {
    'logarithmic': dict(type='log', nice=False, padding=24),
    'linear': dict(type='linear', zero=False, nice=False, padding=24),
}
# The wheel without a key, and a finger, scroll the page; the default would take both.
_DRAG = '[mousedown, window:mouseup] > window:mousemove!'
_ZOOMING = dict(type='interval', on=_DRAG, translate=_DRAG, zoom='wheel![event.ctrlKey]', clear=False)
_BAND, _POINTS = 'layer.0', 'layer.1'  # the layers of the band of chance and of the points
_WITH_Y = (_BAND, _POINTS, f'{_POINTS}.layer.0')
ZOOM = (f'{_POINTS}.encoding.x.scale.domain', f'{_POINTS}.encoding.y.scale.domain')


def accuracy_cost_spec(points: list[dict], bands: list[dict], metric: str, cost: str) -> dict[str, Any]:
    """The specification as it is drawn first.

    Args:
        points: The data, of all metrics.
        bands: The band of chance of each metric, ``low`` and ``high``.
        metric: The metric that is drawn.
        cost: The cost that is drawn, a key of ``COSTS``.
    """
    title = _title(METRIC_OF[metric])
    x = dict(field=cost, type='quantitative', title=COSTS[cost], scale=_SCALES['logarithmic'])
    y = dict(field='delta', type='quantitative', title=title, scale=_y_scale(points, metric))
    ends = dict(y=dict(field='low', type='quantitative', title=title), y2=dict(field='high'))
    chosen = [dict(filter=_is(metric))]
    band = dict(
        data=dict(values=bands),
        transform=chosen,
        mark=dict(type='rect', color=PALE, opacity=0.22, tooltip=False),
        encoding=ends,
    )
    own = dict(x=x, y=y, tooltip=_tooltips(cost))
    return specification(points, PLOT_HEIGHT, layer=[band, dict(transform=chosen, encoding=own, layer=_marks(ends))])


def _marks(ends: dict[str, Any]) -> list[dict[str, Any]]:
    """Interval, point and number of each row."""
    colour = dict(
        field='front',
        type='nominal',
        title='on the Pareto front',
        scale=dict(domain=list(FRONT), range=list(FRONT.values())),
        legend=dict(symbolOpacity=1),
    )
    shape = dict(
        field='verdict',
        type='nominal',
        title='difference',
        scale=dict(domain=list(SHAPES), range=list(SHAPES.values())),
        legend=dict(symbolFillColor=GREY, symbolStrokeColor=GREY),
    )
    return [
        dict(mark=dict(type='rule', strokeWidth=1.5, opacity=0.7, clip=True), encoding=ends | dict(color=colour)),
        dict(
            params=[dict(name='zoom', select=_ZOOMING, bind='scales')],
            mark=dict(type='point', filled=True, size=110, opacity=1, clip=True),
            encoding=dict(color=colour, shape=shape),
        ),
        dict(
            mark=dict(type='text', dx=8, dy=-8, fontSize=11, align='left', clip=True),
            encoding=dict(text=dict(field='shown', type='nominal')),
        ),
    ]


def accuracy_cost_controls(points: list[dict], metrics: Sequence[str], costs: Sequence[str]) -> list[Control]:
    """The choice of the metric, of the cost, and of the scale of its axis."""
    of_metrics = [
        (
            METRIC_OF[metric].title,
            {
                f'{_BAND}.transform.0.filter': _is(metric),
                f'{_POINTS}.transform.0.filter': _is(metric),
                **{f'{layer}.encoding.y.title': _title(METRIC_OF[metric]) for layer in _WITH_Y},
                f'{_POINTS}.encoding.y.scale': _y_scale(points, metric),
            },
        )
        for metric in metrics
    ]
    of_costs = [
        (
            COSTS[cost],
            {
                f'{_POINTS}.encoding.x.field': cost,
                f'{_POINTS}.encoding.x.title': COSTS[cost],
                f'{_POINTS}.encoding.tooltip.0': _tooltips(cost)[0],
            },
        )
        for cost in costs
    ]
    scales = [(name, {f'{_POINTS}.encoding.x.scale': scale}) for name, scale in _SCALES.items()]
    return [
        Control('metric', 'Metric', of_metrics),
        Control('cost', 'Cost', of_costs),
        Control('scale', 'Axis', scales),
    ]


def _tooltips(cost: str) -> list[dict[str, str]]:
    """What hovering shows; the cost stands first."""
    fields = dict(number='#', label='row', delta='Δ', interval='95 %', said='verdict', chance=FRONT_CHANCE)
    return tooltip({cost: COSTS[cost]} | fields, {cost: '.4~g', 'delta': '+.2f'})


def _title(metric: Metric) -> str:
    return f'Δ {metric.title}, {metric.short_unit}{"; less is better" if metric.less_is_better else ""}'


def _y_scale(points: list[dict], metric: str) -> dict[str, Any]:
    """The axis of the differences by a metric; better is up."""
    view = usual_range([point for point in points if point['metric'] == metric])
    return dict(zero=False, reverse=METRIC_OF[metric].less_is_better) | (dict(domain=view) if view else {})


def _is(metric: str) -> str:
    return f"datum.metric === '{metric}'"
