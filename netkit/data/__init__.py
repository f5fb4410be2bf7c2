"""Tables to tensors: `reading` a file, `preparing` its columns, `writing` predictions."""
