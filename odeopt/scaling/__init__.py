"""What to change when something changes: batch, width, depth and horizon; schedules by their bounds; losses foretold.

The room is not called `transfer`, because that is the name of its main function, `odeopt.transfer`.
"""
