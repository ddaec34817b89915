"use strict";
// The map on a canvas: one dot for each face, to move and to zoom, with the portraits of people as landmarks. A map of
// labels shows each label as a person, without portraits.
(() => {
  const canvas = document.getElementById("map-canvas");
  if (!canvas) return;
  const context = canvas.getContext("2d");
  const tip = document.getElementById("map-tip");
  const portraitOfTip = tip.querySelector("img"); // a map of labels has no pictures
  const chooser = document.getElementById("map-group");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const LANDMARK = 34; // pixels; this much is free above the highest dot
  const MARGIN = 14;

  const faces = [];
  for (let face = size - 1; face >= 0; face -= 1) if (data.x[face] !== null) faces.push(face); // people are drawn over unknown faces
  const medoids = data.sections.filter(({ kind, first }) => kind === "person" && data.x[first] !== null).map(({ first }) => first);
  const portraits = new Map();
  const view = { scale: 1, x: 0, y: 0 };
  let [width, height] = [0, 0];
  let active = null; // the face whose tip is shown
  let drawing = 0;

  const fit = () => (Math.min(width, height) - 2 * MARGIN - LANDMARK) / data.side;
  const left = (face) => (width / 2 + (data.x[face] - data.side / 2) * fit()) * view.scale + view.x;
  const top = (face) => ((height + LANDMARK) / 2 + (data.side / 2 - data.y[face]) * fit()) * view.scale + view.y;
  const colours = new Map();
  function colourOf(face) {
    const section = sectionOf[face];
    if (!colours.has(section)) {
      const person = data.sections[section].kind === "person";
      const light = (dark.matches ? 72 : 62) + (person ? shiftOf(section) : dark.matches ? -18 : 12);
      colours.set(section, `oklch(${light}% ${person ? 0.14 : 0.01} ${hueOf(section)})`);
    }
    return colours.get(section);
  }
  const chosen = () => (chooser.value === "" ? null : Number(chooser.value));

  function redraw() {
    if (!drawing) drawing = requestAnimationFrame(draw);
  }

  function draw() {
    drawing = 0;
    const ratio = devicePixelRatio || 1;
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    context.scale(ratio, ratio);
    const crowd = Math.max(1.4, Math.min(5, (0.14 * width) / Math.sqrt(faces.length)));
    const radius = crowd * Math.min(3, Math.sqrt(view.scale));
    const bright = active !== null && sectionOfFace(active).kind === "person" ? sectionOf[active] : chosen();
    for (const face of faces) {
      const [x, y] = [left(face), top(face)];
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      context.globalAlpha = bright === null || sectionOf[face] === bright ? 0.85 : 0.18;
      context.fillStyle = colourOf(face);
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    drawLandmarks(bright, radius);
    if (active !== null) {
      context.beginPath();
      context.arc(left(active), top(active), radius + 3, 0, 7);
      context.lineWidth = 2;
      context.strokeStyle = getComputedStyle(canvas).color;
      context.stroke();
    }
    canvas.dataset.drawn = faces.length;
  }

  // A portrait is drawn above the dots around its medoid, and hides none of them.
  function standOf(face, radius) {
    const x = left(face);
    let y = top(face);
    const { first, count } = sectionOfFace(face);
    for (let other = first; other < first + count; other += 1) {
      if (data.x[other] === null || Math.abs(left(other) - x) > LANDMARK / 2) continue;
      if (Math.abs(top(other) - top(face)) < 2 * LANDMARK) y = Math.min(y, top(other));
    }
    return [x, Math.max(LANDMARK / 2 + 3, y - LANDMARK / 2 - radius - 4)];
  }

  function drawLandmarks(bright, radius) {
    const drawn = [];
    for (const face of portraitOfTip ? medoids : []) { // largest people first
      if (left(face) < 0 || top(face) < 0 || left(face) > width || top(face) > height) continue;
      const [x, y] = standOf(face, radius);
      if (drawn.some((other) => Math.hypot(other.x - x, other.y - y) < LANDMARK * 2)) continue;
      drawn.push({ x, y });
      const image = portrait(face);
      if (!image.complete || !image.naturalWidth) continue;
      context.globalAlpha = bright === null || bright === sectionOf[face] ? 1 : 0.3;
      context.save();
      context.beginPath();
      context.arc(x, y, LANDMARK / 2, 0, 7);
      context.clip();
      context.drawImage(image, x - LANDMARK / 2, y - LANDMARK / 2, LANDMARK, LANDMARK);
      context.restore();
      context.beginPath();
      context.arc(x, y, LANDMARK / 2, 0, 7);
      context.lineWidth = 2.5;
      context.strokeStyle = colourOf(face);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  function portrait(face) {
    if (!portraits.has(face)) {
      const image = new Image();
      image.onload = redraw;
      const source = pictureOf(face);
      if (source === null) return image; // still loading: drawn again when it has loaded
      if (source) image.src = source;
      portraits.set(face, image);
    }
    return portraits.get(face);
  }

  function nearest(x, y, reach, admits = () => true) {
    let [best, least] = [null, reach];
    for (const face of faces) {
      const distance = Math.hypot(left(face) - x, top(face) - y);
      if (distance < least && admits(face)) [best, least] = [face, distance];
    }
    return best;
  }

  function activate(face) {
    if (face === active) return;
    active = face;
    tip.hidden = face === null;
    canvas.style.cursor = face === null ? "" : "pointer";
    if (face !== null) {
      const section = sectionOfFace(face);
      if (portraitOfTip) showPicture(portraitOfTip, face);
      const who = tip.querySelector(".who");
      who.textContent = section.title;
      who.href = `#${section.anchor}`;
      tip.querySelector(".key").textContent = keyOf(face);
      tip.querySelector("small").textContent = likenessOf(face);
      const [x, y] = [left(face), top(face)];
      const beside = x + 14 + tip.offsetWidth > width ? x - 14 - tip.offsetWidth : x + 14;
      const above = y + 14 + tip.offsetHeight > height ? y - 14 - tip.offsetHeight : y + 14;
      tip.style.transform = `translate(${Math.max(8, Math.min(beside, width - tip.offsetWidth - 8))}px, ${Math.max(8, above)}px)`;
    }
    redraw();
  }

  function go(face) {
    if (sectionOfFace(face).kind === "person") location.hash = sectionOfFace(face).anchor;
    else open(face);
  }

  function zoom(factor, x = width / 2, y = height / 2) {
    const scale = Math.max(1, Math.min(60, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    move(0, 0);
  }

  function move(x, y) {
    // The map always covers the frame, so that it cannot be moved out of sight.
    view.x = Math.min(0, Math.max(width * (1 - view.scale), view.x + x));
    view.y = Math.min(0, Math.max(height * (1 - view.scale), view.y + y));
    canvas.classList.toggle("zoomed", view.scale > 1);
    activate(null);
    redraw();
  }

  const fingers = new Map();
  let travelled = 0;

  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    travelled = fingers.size > 1 ? Infinity : 0;
    if (event.pointerType !== "mouse" || view.scale > 1) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") activate(nearest(event.offsetX, event.offsetY, 14));
      return;
    }
    const [x, y] = [event.offsetX - before.offsetX, event.offsetY - before.offsetY];
    travelled += Math.hypot(x, y);
    if (fingers.size === 2) {
      const [other] = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
      const distance = (finger) => Math.hypot(finger.offsetX - other.offsetX, finger.offsetY - other.offsetY) || 1;
      zoom(distance(event) / distance(before), other.offsetX, other.offsetY);
    } else if (view.scale > 1 && travelled > 4) move(x, y);
    fingers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointerup", (event) => {
    fingers.delete(event.pointerId);
    if (travelled > 8) return;
    const touched = event.pointerType !== "mouse";
    const face = nearest(event.offsetX, event.offsetY, touched ? 26 : 14);
    // A finger cannot hover: its first touch shows the face, the second one opens it.
    if (face !== null && (!touched || face === active)) go(face);
    else activate(face);
  });
  for (const name of ["pointercancel", "pointerleave"]) {
    canvas.addEventListener(name, (event) => {
      fingers.delete(event.pointerId);
      if (event.pointerType === "mouse") activate(null);
    });
  }
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // without these keys the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, event.offsetX, event.offsetY));

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") zoom(0);
    else if (event.key === "Escape") activate(null);
    else if (event.key === "Enter" && active !== null) go(active);
    else if (directions[event.key]) step(...directions[event.key]);
    else return;
    event.preventDefault();
  });

  function step(right, down) {
    const [x, y] = active === null ? [width / 2, height / 2] : [left(active), top(active)];
    const isInDirection = (face) => {
      const [along, across] = right ? [(left(face) - x) * right, top(face) - y] : [(top(face) - y) * down, left(face) - x];
      return along > 0.5 && Math.abs(across) <= along;
    };
    const inside = (face) => left(face) >= 0 && top(face) >= 0 && left(face) <= width && top(face) <= height;
    const face = nearest(x, y, Infinity, (other) => inside(other) && (active === null || isInDirection(other)));
    if (face !== null) activate(face);
  }

  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom({ in: 1.6, out: 1 / 1.6, all: 0 }[button.dataset.zoom]));
  }
  chooser.addEventListener("change", redraw);
  dark.addEventListener("change", () => {
    colours.clear();
    redraw();
  });
  document.addEventListener("DOMContentLoaded", redraw);
  new ResizeObserver(() => move(0, 0)).observe(canvas);
})();
