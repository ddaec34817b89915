"use strict";
// One face in a dialog: larger, with its numbers, and the other faces of its photograph.
const detail = document.getElementById("detail");
let shown = 0;

function open(face) {
  shown = face;
  const section = sectionOfFace(face);
  const image = detail.querySelector(".stage img");
  image.alt = describe(face);
  showPicture(image, face);
  detail.querySelector("h2").textContent = section.title;
  detail.querySelector(".key bdi").textContent = keyOf(face);
  const facts = [
    ["Likest person", nearestOf(face)?.title ?? null],
    ["Similarity", data.similarity[face] === null ? null : data.similarity[face].toFixed(3)],
    ["Sharpness", numeral.format(data.sharpness[face])],
    ["Detector score", data.score[face].toFixed(2)],
    ["Face", `${numeral.format(face - section.first + 1)} of ${numeral.format(section.count)}`],
  ];
  detail.querySelector("dl").replaceChildren(
    ...facts.filter(([, value]) => value !== null).flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]),
  );
  const others = facesOfPhoto.get(data.photo[face]).filter((other) => other !== face);
  detail.querySelector(".others").hidden = !others.length;
  detail.querySelector(".others ol").replaceChildren(...others.map((other) => tile(other)));
  for (const button of detail.querySelectorAll("[data-step]")) button.disabled = !isBeside(Number(button.dataset.step));
  if (!detail.open) detail.showModal();
}

function isBeside(step) {
  const { first, count } = sectionOfFace(shown);
  return shown + step >= first && shown + step < first + count;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.dataset.open) open(Number(button.dataset.open));
  else if (button?.dataset.step) open(shown + Number(button.dataset.step));
  else if (target === detail) detail.close(); // beside the dialog
});

detail.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && isBeside(step)) {
    event.preventDefault();
    open(shown + step);
  }
});
