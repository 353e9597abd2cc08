import solid from "solid-start/vite";
export default { plugins: [solid()] };
