// tests/sim/page.mjs - runs the script of a timeline's page on a canvas that only writes down what is drawn on it.
//
//   node page.mjs FILE    prints, as JSON, what was drawn at first, under the pointer, zoomed, moved and with kinds left out
import { readFileSync } from "node:fs";
import vm from "node:vm";

const WIDE = 1200;
const html = readFileSync(process.argv[2], "utf8");
const script = html.slice(html.indexOf("<script>") + "<script>".length, html.lastIndexOf("</script>"));

let drawn; // of the last drawing
const canvas = {
  globalAlpha: 1,
  fillText: (text, x, y) => drawn.texts.push({ text, x, y }),
  fillRect: (x, y, w, h) => drawn.rects.push({ x, y, w, h, colour: canvas.fillStyle }),
  measureText: (text) => ({ width: 7 * text.length }),
  scale: () => { drawn = { texts: [], rects: [] }; },
  save() {}, restore() {}, beginPath() {}, rect() {}, clip() {},
};

function element(name) {
  return {
    name, style: {}, children: [], textContent: "", clientWidth: WIDE,
    append(...more) { this.children.push(...more); },
    replaceChildren(...all) { this.children = all; },
    getContext: () => canvas,
  };
}

const elements = {};
const world = vm.createContext({
  document: {
    documentElement: {},
    getElementById: (id) => (elements[id] ??= element(id)),
    createElement: element,
  },
  getComputedStyle: () => ({ getPropertyValue: (name) => " " + name }),
  requestAnimationFrame: (draw) => draw(),
  matchMedia: () => ({}),
  devicePixelRatio: 2,
});
vm.runInContext(script, world, { filename: "page" });

const look = (code) => vm.runInContext(code, world);
const rows = () => elements.list.children.map((row) => row.children.map((cell) => cell.textContent));
const seen = () => ({ ...drawn, rows: rows(), count: elements.count.textContent, from: look("from"), to: look("to") });
const all = seen();

// The pointer over the longest fault.
const fault = look("marks.filter(m=>m[1]==FAULT&&length(m)>0).sort((m,n)=>length(n)-length(m))[0]");
const at = fault && look(`({offsetX:x(${fault[0]})+1,offsetY:y(${fault[2]})})`);
if (at) {
  elements.view.onpointermove(at);
}
const tip = elements.tip.textContent;
elements.view.onwheel({ deltaY: -1, offsetX: WIDE / 2, preventDefault() {} });
const zoomed = seen();
world.onkeydown({ key: "ArrowRight" });
const moved = seen();
elements.list.children[0]?.onclick();
const gone = seen();
world.onkeydown({ key: "0" });
elements.show.children.forEach((label) => {
  label.children[0].checked = label.children[1] === "note";
  label.children[0].onchange();
});
console.log(JSON.stringify({
  lanes: look("lanes"), marks: look("marks"), kinds: look("kinds"), tall: elements.view.height / 2, wide: WIDE,
  fault, tip, all, zoomed, moved, gone, notes: seen(),
}));
