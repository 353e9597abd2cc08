export default {output:'standalone'}
