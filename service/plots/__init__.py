"""Pictures of studies, drawn with Altair by a process of their own: the server stays small."""
