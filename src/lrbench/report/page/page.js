"use strict";
(async () => {
  const pictures = JSON.parse(document.getElementById("pictures").textContent);
  const views = new Map();
  const state = { chosen: [], rate: null };
  const narrow = 480;

  /* The specification with panels of this width, side by side as far as there is room. */
  function fitted(picture, room, width, columns) {
    const text = JSON.stringify(picture.spec);
    const spec = JSON.parse(text, (key, value) => {
      if (key === "width" && value === picture.panel) return width;
      if (key === "labelLimit" && room < narrow) return Math.min(value, Math.floor(room * 0.37));
      return value;
    });
    if ("columns" in spec) spec.columns = columns;
    spec.description = picture.description;
    return spec;
  }

  async function embed(place, spec) {
    const options = {
      mode: "vega-lite",
      actions: false,
      ast: true,
      defaultStyle: false,
      renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    };
    const result = await vegaEmbed(place, spec, options);
    return result.view;
  }

  async function draw(picture) {
    const place = document.querySelector(`#${picture.name} > .chart`);
    const room = place.clientWidth;
    const columns = Math.max(1, Math.min(picture.columns, Math.floor(room / 240)));
    let width = Math.max(80, Math.floor((room - 70) / columns));
    views.get(picture.name)?.view.finalize();
    let view = await embed(place, fitted(picture, room, width, columns));
    const excess = place.querySelector("svg").width.baseVal.value - room;
    if (Math.abs(excess) > 2) {
      view.finalize();
      width = Math.max(80, Math.floor(width - excess / columns));
      view = await embed(place, fitted(picture, room, width, columns));
    }
    views.set(picture.name, { view, room });
    await tell(view);
  }

  /* What the reader has chosen, told to a chart that knows of such choices. */
  async function tell(view) {
    const known = view.getState({ signals: (name) => name in state }).signals;
    const asked = Object.keys(state).filter((name) => name in known);
    for (const name of asked) view.signal(name, state[name]);
    if (asked.length) await view.runAsync();
  }

  async function tellAll() {
    for (const chip of document.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", state.chosen.includes(chip.dataset.label));
    }
    for (const select of document.querySelectorAll(".rate select")) {
      select.value = state.rate === null ? "" : String(state.rate);
      for (const option of select.options) {
        option.selected = option.value === "" ? state.rate === null : Number(option.value) === state.rate;
      }
    }
    for (const { view } of views.values()) await tell(view);
  }

  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => {
      const label = chip.dataset.label;
      state.chosen = state.chosen.includes(label)
        ? state.chosen.filter((other) => other !== label)
        : [...state.chosen, label];
      tellAll();
    });
  }
  for (const select of document.querySelectorAll(".rate select")) {
    select.addEventListener("change", () => {
      state.rate = select.value === "" ? null : Number(select.value);
      tellAll();
    });
  }

  async function drawAll() {
    for (const picture of pictures) {
      try {
        const room = document.querySelector(`#${picture.name} > .chart`).clientWidth;
        if (room && views.get(picture.name)?.room !== room) await draw(picture);
      } catch (error) {
        console.error(`picture ${picture.name}:`, error);
      }
    }
    document.documentElement.dataset.drawn = views.size;
  }

  /* Nothing stays folded up on paper. */
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });

  await drawAll();
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      /* On paper the pictures shrink as they are. */
      if (!matchMedia("print").matches) drawAll();
    }, 200);
  });
})();
