"use strict";
// Tiles are made when their section comes near the window, and get their pictures when they come near it themselves.
const FIRST = 36;
const near = { rootMargin: "600px 0px" };
const openedSections = new Set();

const pictures = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    pictures.unobserve(target);
    showPicture(target, Number(target.dataset.face));
  }
}, near);

const grids = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) fill(target);
}, near);

function tile(face, caption = "") {
  const button = make("button", "face");
  button.type = "button";
  button.dataset.open = face;
  const image = make("img");
  image.alt = describe(face);
  image.dataset.face = face;
  button.append(image);
  if (caption) button.append(make("span", "", caption));
  const item = make("li");
  item.append(button);
  pictures.observe(image);
  return item;
}

function captionOf(face, section) {
  if (section.kind === "rejected") return numeral.format(data.sharpness[face]);
  return "";
}

const shownOf = (grid) => {
  const section = data.sections[grid.dataset.tiles];
  return openedSections.has(grid.dataset.tiles) ? section.count : Math.min(FIRST, section.count);
};

function fill(grid) {
  const section = data.sections[grid.dataset.tiles];
  const fragment = document.createDocumentFragment();
  for (let index = grid.children.length; index < shownOf(grid); index += 1) {
    fragment.append(tile(section.first + index, captionOf(section.first + index, section)));
  }
  grid.append(fragment);
  grid.style.minHeight = "";
  grids.unobserve(grid);
}

// An empty grid has the size of its tiles, so that nothing moves while a person reads, and links to people are right.
function reserve() {
  const all = [...document.querySelectorAll("[data-tiles]:empty")];
  if (!all.length) return;
  const style = getComputedStyle(all[0]);
  const columns = style.gridTemplateColumns.split(" ");
  const [width, gap] = [parseFloat(columns[0]), parseFloat(style.rowGap)];
  for (const grid of all) {
    const rows = Math.ceil(shownOf(grid) / columns.length);
    grid.style.minHeight = `${rows * (width + gap) - gap}px`;
  }
}

reserve();
addEventListener("resize", reserve);
for (const grid of document.querySelectorAll("[data-tiles]")) grids.observe(grid);
for (const image of document.querySelectorAll("img[data-face]")) pictures.observe(image);

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.dataset.expand) {
    openedSections.add(button.dataset.expand);
    const grid = document.querySelector(`[data-tiles="${button.dataset.expand}"]`);
    const next = grid.children.length;
    fill(grid);
    button.remove();
    grid.children[next]?.firstElementChild.focus({ preventScroll: true });
  } else if (button?.dataset.unhide) {
    const hidden = document.querySelectorAll(`#${button.dataset.unhide} [hidden]`);
    for (const element of hidden) element.hidden = false;
    button.remove();
    hidden[0]?.firstElementChild.focus({ preventScroll: true });
  }
});
