fetch(`${process.env.REACT_APP_API_URL}/todos`)
fetch('http://localhost:5000/other')
