"""The runs that a tracking store knows by identifiers of its own."""

import re

from runner.record import TAG_RUN_KEY
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store
from runner.tracking.store.calls import failure


def run_key_of(word: str, uri: str | None, root: Root) -> str | None:
    """The key of the run with this MLflow run id; None where there is none.

    Raises
    ------
    StoreError
        When there is no such store.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", word) or not (uri or root.database.exists()):
        return None
    client = store.connect(uri, root, to_read=True)
    try:
        key = client.get_run(word).data.tags.get(TAG_RUN_KEY)
    except Exception as error:
        if "refuses" not in failure(error):
            raise
        return None
    return str(key) if key else None
