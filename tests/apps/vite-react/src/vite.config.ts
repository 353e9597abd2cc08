export default { base: "/repo/" }
