const BASE = import.meta.env.VITE_API_BASE_URL ?? 'http://localhost:8000'
const KEY = import.meta.env.VITE_MAP_API_KEY
export const todos = () => fetch(`${BASE}/todos`)
