'use strict';
(() => {
  document.documentElement.classList.add('script');

  // ---- the improvement table: sort, filter, choose columns and metric ----
  const table = document.getElementById('improvement');
  const heads = [...table.tHead.rows[0].cells];
  const lines = [...table.tBodies[0].rows];
  const wanted = heads.map((head) => !head.hidden); // what the user wants to see, whatever the metric
  const differs = document.getElementById('differs');
  const metricChoice = document.getElementById('table-metric');
  const filter = document.getElementById('filter');
  const firstColumn = 2; // number and name always stay

  // A choice of a column of one metric holds for the same column of all metrics.
  const kinds = heads.map((head) => head.dataset.kind);
  const chosenMetric = () => (metricChoice ? metricChoice.value : heads.map((head) => head.dataset.metric).find(Boolean));
  const visibleLines = () => lines.filter((line) => !line.hidden);

  function showColumns() {
    const metric = chosenMetric();
    heads.forEach((head, index) => {
      if (index < firstColumn) return;
      const ofMetric = !head.dataset.metric || head.dataset.metric === metric;
      let shown = ofMetric && wanted[index];
      if (shown && differs.checked) {
        const texts = new Set(visibleLines().map((line) => line.cells[index].textContent));
        shown = texts.size > 1;
      }
      head.hidden = !shown;
      for (const line of lines) line.cells[index].hidden = !shown;
    });
  }

  function showRows() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const line of lines) {
      const text = line.textContent.toLowerCase();
      line.hidden = !words.every((word) => text.includes(word));
    }
    const shown = visibleLines().length;
    document.getElementById('count').textContent = shown === lines.length ? '' : `${shown} of ${lines.length} rows`;
    if (differs.checked) showColumns();
  }

  function compare(one, other, index) {
    const [a, b] = [one, other].map((line) => line.cells[index]);
    const [x, y] = [a, b].map((cell) => (cell.dataset.order === undefined ? NaN : Number(cell.dataset.order)));
    if (Number.isNaN(x) && Number.isNaN(y)) return a.textContent.localeCompare(b.textContent, 'en');
    return x - y;
  }

  function sortBy(index) {
    const head = heads[index];
    const number = lines.some((line) => line.cells[index].dataset.order !== undefined);
    const first = number && index > 0 ? 'descending' : 'ascending';
    const second = first === 'descending' ? 'ascending' : 'descending';
    const order = head.getAttribute('aria-sort') === first ? second : first;
    for (const other of heads) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', order);
    const empty = (line) => number && line.cells[index].dataset.order === undefined; // always last
    const sorted = [...lines].sort((one, other) => {
      if (empty(one) !== empty(other)) return empty(one) - empty(other);
      return (order === 'ascending' ? 1 : -1) * compare(one, other, index);
    });
    table.tBodies[0].append(...sorted);
  }

  heads.forEach((head, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    button.addEventListener('click', () => sortBy(index));
    head.replaceChildren(button);
  });

  const box = document.querySelector('.columns fieldset');
  heads.forEach((head, index) => {
    if (index < firstColumn || kinds.indexOf(kinds[index]) !== index) return;
    const same = heads.map((_, other) => other).filter((other) => kinds[other] === kinds[index]);
    const label = document.createElement('label');
    const tick = document.createElement('input');
    tick.type = 'checkbox';
    tick.checked = wanted[index];
    for (const other of same) wanted[other] = tick.checked;
    tick.addEventListener('change', () => {
      for (const other of same) wanted[other] = tick.checked;
      showColumns();
    });
    label.append(tick, ` ${kinds[index]}`);
    box.append(label);
  });
  filter.addEventListener('input', showRows);
  differs.addEventListener('change', showColumns);
  document.getElementById('table-controls').addEventListener('submit', (event) => event.preventDefault());

  // ---- links to a row open its details ----
  function openTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === 'DETAILS') {
      target.open = true;
      target.scrollIntoView();
    }
  }
  window.addEventListener('hashchange', openTarget);
  openTarget();

  // ---- figures ----
  const figures = [...document.querySelectorAll('figure')].filter((one) => one.querySelector('.plot'));

  function patched(content, figure) {
    const spec = structuredClone(content.spec);
    const put = (path, value) => {
      const names = path.split('.');
      const last = names.pop();
      const owner = names.reduce((part, name) => part[name], spec);
      if (value === undefined) delete owner[last];
      else owner[last] = structuredClone(value); // what is put here may be changed by what comes later
    };
    for (const select of figure.querySelectorAll('select[data-index]')) {
      const option = content.controls[select.dataset.index][2][select.selectedIndex];
      Object.entries(option[1]).forEach(([path, value]) => put(path, value));
    }
    return { spec, put };
  }

  // One drawing after the other: the last choice is what stays.
  function draw(figure, content, domains) {
    figure.drawing = (figure.drawing ?? Promise.resolve()).then(() => drawNow(figure, content, domains));
  }

  async function drawNow(figure, content, domains) {
    const { spec, put } = patched(content, figure);
    if (domains) content.zoom.forEach((path, index) => put(path, domains[index]));
    const plot = figure.querySelector('.plot');
    const place = document.createElement('div'); // Vega gives its element a role and a name of its own
    plot.replaceChildren(place);
    spec.description = plot.getAttribute('aria-label'); // goes with a saved figure, too
    if (place.clientWidth < 600) {
      spec.config.axis.labelLimit = 130;
      spec.config.legend.layout = { top: { direction: 'vertical', anchor: 'start' } };
    }
    if (figure.view) figure.view.finalize();
    figure.view = await window.vegaEmbed(place, spec, {
      actions: false,
      logLevel: 1, // errors alone: a metric without any interval is no mistake
      ast: true, // without it Vega compiles expressions, which the page's own policy forbids
      defaultStyle: false,
      renderer: 'svg',
      tooltip: { disableDefaultStyle: true, theme: 'page' },
    });
  }

  function zoomed(view, axis, factor) {
    const scale = view.scale(axis);
    const [from, to] = scale.domain().map(Number);
    const [into, out] = scale.base ? [Math.log, Math.exp] : [(value) => value, (value) => value];
    const [low, high] = [into(from), into(to)];
    const middle = (low + high) / 2;
    return [low, high].map((end) => out(middle + (end - middle) * factor));
  }

  async function save(figure, name, kind) {
    const link = document.createElement('a');
    link.href = await figure.view.view.toImageURL(kind, kind === 'png' ? 2 : 1);
    link.download = `${name}.${kind}`;
    link.click();
  }

  for (const figure of window.vegaEmbed ? figures : []) {
    const content = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    for (const button of figure.querySelectorAll('[data-zoom]')) {
      button.addEventListener('click', () => {
        const { zoom } = button.dataset;
        if (zoom === 'first') draw(figure, content);
        else if (zoom === 'all') draw(figure, content, [undefined, undefined]);
        else draw(figure, content, ['x', 'y'].map((axis) => zoomed(figure.view.view, axis, Number(zoom))));
      });
    }
    for (const button of figure.querySelectorAll('[data-save]')) {
      button.addEventListener('click', () => save(figure, content.name, button.dataset.save));
    }
    for (const select of figure.querySelectorAll('select')) select.addEventListener('change', () => draw(figure, content));
    draw(figure, content);
  }

  // ---- one metric for the table and all figures ----
  const metricChoices = [...document.querySelectorAll('select[data-control="metric"]')];
  for (const choice of metricChoices) {
    choice.addEventListener('change', () => {
      for (const other of metricChoices) {
        if (other.selectedIndex === choice.selectedIndex) continue;
        other.selectedIndex = choice.selectedIndex;
        if (other !== metricChoice) other.dispatchEvent(new Event('change'));
      }
      showColumns();
    });
  }
  showColumns();

  // ---- print: what is folded is shown, but for long tables of numbers ----
  let folded = [];
  window.addEventListener('beforeprint', () => {
    folded = [...document.querySelectorAll('#text details:not([open])')];
    for (const one of folded) one.open = true;
  });
  window.addEventListener('afterprint', () => {
    for (const one of folded) one.open = false;
  });
})();
