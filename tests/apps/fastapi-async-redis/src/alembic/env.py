from alembic import context
from app.config import Settings

context.config.set_main_option("sqlalchemy.url", Settings().database_url)
