// The images of an item: slices by wheel and keys, zoom, one plane alone, both sides together.
const images = document.getElementById("images");
const INITIAL = { active: "axial", zoom: 1, x: 0, y: 0, brightness: 1, contrast: 1 };
const view = { ...INITIAL, slices: {}, planes: [] };

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showImages(item) {
  images.replaceChildren();
  images.className = item.kind === "single" ? "alone" : "together";
  Object.assign(view, INITIAL, { slices: {}, planes: [] });
  item.images.forEach((number, side) => {
    const which = item.kind === "single" ? "" : ["Left", "Right"][side];
    const box = element("div", "side");
    for (const plane of study.images[number]) box.append(planeOf(plane, which));
    images.append(box);
  });
  drawImages();
}

function planeOf(plane, which) {
  const box = element("div", `plane ${plane.name}`);
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  const stage = element("div", "stage");
  stage.style.setProperty("--ratio", plane.ratio);
  const pictures = plane.slices.map(data => {
    const picture = element("img");
    picture.src = `data:image/png;base64,${data}`;
    picture.alt = "";
    picture.draggable = false;
    return picture;
  });
  stage.append(...pictures);
  const name = element("span", "mark name");
  box.append(stage, element("span", "mark left", plane.left), element("span", "mark top", plane.top), name);
  if (which) box.append(element("span", "mark which", which));
  view.slices[plane.name] ??= plane.start;
  view.planes.push({ plane, box, stage, pictures, name, which });
  box.addEventListener("wheel", event => {
    event.preventDefault();
    choosePlane(plane.name);
    if (event.ctrlKey) zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    else turnTo(Math.sign(event.deltaY));
  }, { passive: false });
  box.addEventListener("pointerdown", event => drag(event, box, plane.name));
  box.addEventListener("dblclick", () => alone());
  box.addEventListener("focus", () => choosePlane(plane.name));
  return box;
}

function drawImages() {
  const filter = `brightness(${view.brightness}) contrast(${view.contrast})`;
  for (const { plane, box, stage, pictures, name, which } of view.planes) {
    const active = plane.name === view.active;
    const at = view.slices[plane.name];
    box.classList.toggle("active", active);
    box.classList.toggle("zoomed", active && view.zoom > 1);
    pictures.forEach((picture, number) => picture.classList.toggle("seen", number === at));
    name.textContent = `${plane.name} ${at + 1}/${pictures.length}`;
    box.setAttribute("aria-label", `${which} ${plane.name}, slice ${at + 1} of ${pictures.length}`.trim());
    stage.style.filter = filter;
    stage.style.transform = active ? `translate(${view.x}px, ${view.y}px) scale(${view.zoom})` : "";
  }
}

function turnTo(step) {
  const count = view.planes.find(({ plane }) => plane.name === view.active).pictures.length;
  view.slices[view.active] = Math.min(count - 1, Math.max(0, view.slices[view.active] + step));
  drawImages();
}

function choosePlane(name) {
  if (view.active !== name) Object.assign(view, { active: name, zoom: 1, x: 0, y: 0 });
  drawImages();
}

function zoom(factor) {
  view.zoom = Math.min(8, Math.max(1, view.zoom * factor));
  if (view.zoom === 1) Object.assign(view, { x: 0, y: 0 });
  drawImages();
}

function light(name, factor) {
  view[name] = Math.min(3, Math.max(0.4, view[name] * factor));
  drawImages();
}

function alone() {
  images.classList.toggle("one-plane");
  drawImages();
}

function asItWas() {
  images.classList.remove("one-plane");
  Object.assign(view, INITIAL);
  for (const { plane } of view.planes) view.slices[plane.name] = plane.start;
  drawImages();
}

function drag(event, box, name) {
  if (event.button !== 0) return;
  choosePlane(name);
  let { clientX: x, clientY: y } = event;
  let turned = 0;
  box.setPointerCapture(event.pointerId);
  const move = moved => {
    if (view.zoom > 1) {
      view.x += moved.clientX - x;
      view.y += moved.clientY - y;
      drawImages();
    } else {
      turned += moved.clientY - y;
      if (Math.abs(turned) > 12) { turnTo(Math.sign(turned)); turned = 0; }
    }
    ({ clientX: x, clientY: y } = moved);
  };
  box.addEventListener("pointermove", move);
  const end = () => box.removeEventListener("pointermove", move);
  box.addEventListener("pointerup", end, { once: true });
  box.addEventListener("pointercancel", end, { once: true });
}
