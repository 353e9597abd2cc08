export default function(c){ c.setOutputDirectory('out') }
