"""A right call of every public function, and which bad values each of its arguments takes: one row each."""

from support.arguments import analysing, applications, losses, named, randomness, runs, steps

ROWS = {
    name: row
    for room in (runs, analysing, randomness, losses, steps, named, applications)
    for name, row in room.ROWS.items()
}
