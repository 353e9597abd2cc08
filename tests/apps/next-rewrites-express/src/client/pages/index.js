export default () => <main />
