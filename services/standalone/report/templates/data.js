"use strict";
// The data of the page, in columns: data.photo[f], data.similarity[f] ... of face f. Sections are runs of faces.
const data = JSON.parse(document.getElementById("data").textContent);
const size = data.photo.length;
const numeral = new Intl.NumberFormat("en");

const sectionOf = new Int32Array(size);
data.sections.forEach((section, index) => sectionOf.fill(index, section.first, section.first + section.count));

const facesOfPhoto = new Map();
data.photo.forEach((photo, face) => {
  if (!facesOfPhoto.has(photo)) facesOfPhoto.set(photo, []);
  facesOfPhoto.get(photo).push(face);
});

const sectionOfFace = (face) => data.sections[sectionOf[face]];
const keyOf = (face) => data.photos[data.photo[face]];
const describe = (face) => `${sectionOfFace(face).title}: face in ${keyOf(face)}`;

// The person that is most similar to an unknown face, if there is one.
function nearestOf(face) {
  const section = sectionOfFace(face);
  return section.kind === "unknown" ? data.sections[data.nearest[face - section.first]] : undefined;
}

function likenessOf(face) {
  if (data.similarity[face] === null) return "";
  const nearest = nearestOf(face);
  return `similarity ${data.similarity[face].toFixed(3)}${nearest ? ` to ${nearest.title}` : ""}`;
}

// The golden angle keeps the hues of any number of people apart; from the ninth on they differ in lightness too.
const hueOf = (section) => Math.round((section * 137.508 + 255) % 360);
const shiftOf = (section) => [0, -14, 9][Math.floor(section / 8) % 3];
for (const element of document.querySelectorAll("[data-section]")) {
  element.style.setProperty("--hue", hueOf(Number(element.dataset.section)));
  element.style.setProperty("--shift", `${shiftOf(Number(element.dataset.section))}%`);
}

// Thumbnails are in blocks of text after the scripts; a block is parsed when the first of its faces is shown.
const blocks = new Map();
const waiting = new Map();

function pictureOf(face) {
  const number = Math.floor(face / data.block);
  if (!blocks.has(number)) {
    const element = document.getElementById(`thumbnails-${number}`);
    // While the page is loading, its last block may be incomplete.
    if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return null;
    blocks.set(number, JSON.parse(element.textContent));
    element.remove();
  }
  const text = blocks.get(number)[face % data.block];
  return text ? `data:image/webp;base64,${text}` : "";
}

function showPicture(image, face) {
  const source = pictureOf(face);
  if (source === null) {
    waiting.set(image, face);
    return;
  }
  waiting.delete(image);
  image.parentElement.classList.toggle("missing", !source);
  if (source) image.src = source;
  else image.removeAttribute("src");
}

document.addEventListener("DOMContentLoaded", () => {
  for (const [image, face] of [...waiting]) showPicture(image, face);
});

function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
