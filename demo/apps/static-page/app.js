const water = document.getElementById("water");
const hour = document.getElementById("hour");
let now = 0;

function draw() {
  const height = 50 + 40 * Math.sin((now / 12.4) * 2 * Math.PI);
  water.style.height = `${height}%`;
  hour.textContent = `${String(now % 24).padStart(2, "0")}:00`;
}

document.getElementById("step").addEventListener("click", () => {
  now += 1;
  draw();
});
draw();
