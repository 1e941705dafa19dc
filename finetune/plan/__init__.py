"""What a run will need before anything of it is loaded: memory, time, disk, and what would make it fit."""
