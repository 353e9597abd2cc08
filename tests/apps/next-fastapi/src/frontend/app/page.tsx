const api = process.env.NEXT_PUBLIC_API_URL || 'http://localhost:8000/api/v1'
export default function Page() { return <main>{api}</main> }
