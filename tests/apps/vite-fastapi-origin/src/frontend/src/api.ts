const api = import.meta.env.VITE_API_URL || 'http://localhost:8000'
export const todos = () => fetch(`${api}/api/todos`)
