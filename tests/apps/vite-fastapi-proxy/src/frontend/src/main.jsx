fetch('/api/todos')
