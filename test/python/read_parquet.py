"""Prints what a Parquet file holds, as JSON: argv[1]."""

import json
import sys

import pyarrow.parquet as parquet

file = parquet.ParquetFile(sys.argv[1])
table = file.read()
print(
    json.dumps(
        {
            "types": {field.name: str(field.type) for field in table.schema},
            "rows": table.to_pylist()[:3],
            "count": table.num_rows,
            "kindred": json.loads(table.schema.metadata[b"kindred"]),
        }
    )
)
