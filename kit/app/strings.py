"""Every word the page says, in one place, so that another language is another file."""

TITLE = "What the detector sees"
RESEARCH_ONLY = "Research use only. Not a medical device."
LICENCE = "Licence of the model: {licence}"
BUNDLE = "Detector"

PICTURE = "Picture"
PICTURE_DROP = "Drop pictures here, paste one, or choose them"
PICTURE_NONE = (
    "No picture yet. What you show stays in this machine's memory, and is forgotten soon."
)
SAMPLES = "No picture at hand? Try one of these:"
SAMPLE = "Sample picture {number}"
PICTURE_NUMBER = "Picture {number} of {count}"
PICTURE_FAILED = "{title} could not be looked at: {why}"
TOO_LARGE = "it is larger than {most} MB"
BUSY = "Too many pictures are waiting. Try again in a minute."
NO_BUNDLE = "There is no such detector here."
FORGOTTEN = "This picture was forgotten. Show it again."

LIVE = "Live camera"
LIVE_SOURCE = "Camera"
LIVE_MINE = "Camera of this device"
LIVE_START = "Start"
LIVE_STOP = "Stop"
LIVE_NONE = "Not running. Frames are looked at and forgotten; none is kept."
LIVE_INSECURE = (
    "A browser gives its camera only to pages that come over https, or from localhost. Start the "
    "server with --certfile CERT.pem --keyfile KEY.pem, or open this page on the server itself."
)
LIVE_ALT = "The newest frame that was looked at"
LIVE_NUMBERS = {
    "rate": "Frames a second",
    "age": "Age of the picture (median)",
    "dropped": "Frames passed over",
}
LIVE_CAMERA = "The server's camera {number} ({name})"
LIVE_DEVICE = "device {name}"
LIVE_NO_CAMERA_HERE = "The server has no such camera."
LIVE_CAMERA_SILENT = "The camera gives no picture. It is being tried again."
LIVE_CAMERA_FAILED = "it can't be read"
LIVE_CAMERA_GONE = "The server's camera: {why}. It is tried again every {seconds:g} seconds."
LIVE_FULL = "All {most} places for live cameras are taken. Try again later."
LIVE_IDLE = "Nothing came for {seconds:g} seconds, so it was stopped."
LIVE_NO_FRAME = "That is no frame."
LIVE_WRONG = "{count} messages in a row were no frames: {why}"
LIVE_WORDS = {
    "asking": "Asking for the camera. Your browser may want your consent.",
    "connecting": "Waiting for the server.",
    "running": "Running. Every frame you see is the one its boxes were found on.",
    "waiting": "The server's camera is being opened.",
    "stopped": "Stopped.",
    "unseen": "Stopped, since the page was out of sight.",
    "refused": "The browser may not use the camera. Allow it beside the address, and start again.",
    "absent": "There is no such camera on this device.",
    "busy": "The camera can't be opened. Another program may be using it.",
    "unplugged": "The camera is gone. Was it unplugged?",
    "lost": "The server can't be reached any more.",
    "camera": "Camera {number}",
    "failed": "The camera can't be used: {why}",
    "drifted": "The last frames look unlike those the detector learned from: check light, focus "
    "and stain, and trust it less.",
}

THRESHOLD = "Show what scores at least"
OPERATING_POINT = "operating point"
BACK_TO_OPERATING_POINT = "Back to the operating point"
BY_CLASS = "each class its own"
LABELS = "Names on boxes"
CLASSES = "Show"
FINDINGS = "Findings"
FINDINGS_NONE = "Nothing scores as much."
FINDINGS_SCORE = "score"
FINDINGS_PLACE = "left, top, width, height (px)"
FINDINGS_CLASS = "class"
ALT = "The picture, with {count} boxes"
UNLIKE = "This picture looks unlike those the detector learned from: trust it less."
COMPLAINT = "The picture is {complaints} compared with those."
TIME = "Time"
STAGES = {
    "decode": "read",
    "wait": "its turn and the watch",
    "fit": "scale",
    "copy_in": "to the device",
    "run": "look",
    "copy_out": "back",
    "post": "sort",
    "encode": "pack",
}
DOWNLOAD_PICTURE = "Picture with boxes"
DOWNLOAD_JSON = "JSON"
DOWNLOAD_CSV = "CSV"
DOWNLOAD_PRINT = "Page to print"

PRINT_TITLE = "What the detector shows"
PRINT_PLACES = "Findings"
PRINT_FACTS = "Made by"
PRINT_PICTURE = "Picture (sha256)"
PRINT_BUNDLE = "Detector (sha256)"
PRINT_WHEN = "Looked at"
PRINT_SHOWN = "Boxes shown"
PRINT_SCORES = "that score at least {threshold}"
PRINT_OPERATING = "at the operating point, {threshold}"
PRINT_SEEN = "Signed by (name, date):"

WORTH = "What it is worth"
WORTH_WAIT = "Reading what is known of it."
WORTH_UNKNOWN = "What it finds and misses was not measured, so nobody knows what it is worth."
WORTH_EVALUATE = "kit evaluate BUNDLE SRC --out test.json\nkit card BUNDLE test.json --out DIR"
WORTH_UNTIMED = "How long it takes was not measured on any device."
WORTH_BENCH = "kit bench BUNDLE SRC --out latency.json\nkit card BUNDLE latency.json --out DIR"
WORTH_LIMITS = "Known limits"
WORTH_DETAILS = "The whole model card"
WORTH_ALL = "all classes"
WORTH_NONE = "not measurable"
WORTH_HEADER = ("class", "objects", "AP50", "95 % interval", "AP")
WORTH_FROC = (
    "How many of the objects are found (upwards), against how many things are marked per picture "
    "that are none (to the right), as the score from which boxes are shown is lowered."
)
WORTH_TIME = (
    "Half of the pictures took at most {p50} ms on {device} ({precision}, batch of {batch}, "
    "{samples} timed)."
)
WORTH_SPREADS = "Share of pictures (upwards) that took at most so many milliseconds."

VIDEO = "Video"
VIDEO_DROP = "Drop a video clip here, or choose it (at most {mb} MB, {seconds})"
VIDEO_NONE = "No clip yet. It passes through this machine's memory, and is forgotten soon."
VIDEO_LOADING = "Sending the clip: {percent} %"
VIDEO_WAITING = "Others come first. Place in the line: {place}"
VIDEO_LOOKING = "Frame {frame} of {frames}, {rate} a second, {left} left"
VIDEO_LOOKING_ON = "Frame {frame}, {rate} a second"
VIDEO_STARTING = "Reading the clip"
VIDEO_CANCEL = "Cancel"
VIDEO_CANCELLED = "Cancelled. Nothing of the clip was kept."
VIDEO_FAILED = "The clip could not be looked at: {why}"
VIDEO_LOST = "the connection broke"
VIDEO_FORGOTTEN = "This clip was forgotten. Show it again."
VIDEO_BUSY = "Too many clips are waiting. Try again in a few minutes."
VIDEO_NO_ROOM = "There is no room for it in this machine's memory now."
VIDEO_BROKE = "something went wrong here"
VIDEO_LONG = "it lasts {seconds}, more than the {most} that are allowed"
VIDEO_WIDE = "its frames of {width} x {height} pixels are larger than the {most} million allowed"
VIDEO_CUT = "The clip is longer than {most}: only its beginning was looked at."
VIDEO_MISSING = "The clip is damaged: it tells of {told} frames, {count} could be read."
VIDEO_UNLIKE = (
    "{unlike} of {count} frames look unlike the pictures that the detector learned from: trust it "
    "less there."
)
VIDEO_DRIFT = "From about {second} s on, too many frames look unlike those: something changed."
VIDEO_TITLE = "The clip with boxes"
VIDEO_SECONDS = "{seconds} s"
VIDEO_WHOLE = "{minutes} min"
VIDEO_MINUTES = "{minutes} min {seconds} s"
VIDEO_SUMMARY = "How many are shown at once"
VIDEO_CLASS = "class"
VIDEO_MOST = "most"
VIDEO_MEAN = "mean"
VIDEO_IN = "in frames"
VIDEO_TIMELINE = "By time. Click to go there."
VIDEO_TIMELINE_ALT = "Plot: how many of each class are shown, by time"
VIDEO_FACTS = (
    "{frames} frames, {seconds}, looked at by {bundle} in {spent} ({rate} frames a second). Boxes "
    "are those of the operating point."
)
DOWNLOAD_FILM = "Clip with boxes"
DOWNLOAD_FRAMES = "JSON of all frames"

COMPARE = "Compare"
COMPARE_ALONE = (
    "Two detectors can be compared here, side by side on one picture. Only one is served."
)
COMPARE_HOW = "Start with two: kit serve A B"
COMPARE_PICTURE = "The picture"
COMPARE_DROP = "Drop a picture here, paste one, or choose it"
COMPARE_LETTERS = ("A", "B")
COMPARE_RULE = "At the operating points"
COMPARE_RULE_SCORE = "Of what scores at least {threshold}"
COMPARE_BOTH = "both show {both}"
COMPARE_ONLY = "{letter} alone shows {count}"
COMPARE_OTHER_ONE = "1 is of another class"
COMPARE_OTHER = "{count} are of another class"
COMPARE_SAME = "nothing alone, and no class differs"
COMPARE_SCORES = "Where both show the same, scores differ by {most} at most."
COMPARE_KNOWS = "Only {letter} knows the class {classes}: what it shows of it, it shows alone."
COMPARE_KNOWS_MANY = (
    "Only {letter} knows the classes {classes}: what it shows of them, it shows alone."
)
COMPARE_HINT = (
    "Boxes belong together that share at least half of their area (IoU 0.5). Dashed: shown by one "
    "alone. Dotted: of another class."
)
COMPARE_TABLE = "Differences first"
COMPARE_WHAT = "what"
COMPARE_CLASS = "class"
COMPARE_SCORE = "score {letter}"
COMPARE_DIFFERENCE = "{second} - {first}"
COMPARE_KINDS = {
    "first": "A alone",
    "second": "B alone",
    "class": "another class",
    "both": "both",
}
COMPARE_BELOW = "({score})"
COMPARE_BELOW_HINT = "It has a box there, below the threshold"

AUDIT_FAILED = "The audit log can't be written ({why}): nothing is shown until it can"

KEEP_IN_USE = "the folder is in use, or closed to writing"
KEEP_FAILED = "It could not be kept ({why}); nothing was written"
EDIT = "Correct and keep"
EDIT_WHAT = "Stores this picture and its boxes on the server, to learn from."
EDIT_HELP = (
    "Accept or reject every box. To move one, drag it, or use the arrow keys (Shift: ten pixels); "
    "drag its corners to resize it."
)
EDIT_REST = "Accept the rest"
EDIT_DRAW = "Draw a box"
EDIT_ADD = "Add a box by numbers"
EDIT_UNDO = "Undo"
EDIT_LEAVE = "Leave"
EDIT_KEEP = "Keep"
EDIT_NEW = "Class of new boxes"
EDIT_PLACE = "Place of the chosen box (px)"
EDIT_SIDES = ("left", "top", "width", "height")
EDIT_TEXTS = {
    "accept": "Accept",
    "reject": "Reject",
    "remove": "Remove",
    "box": "Box {number}",
    "drawn": "drawn",
    "classOf": "Class of box {number}",
    "open": "{count} of {all} boxes to decide",
    "ready": "All decided: {true} true, {rejected} rejected",
    "kept": "Kept. Pictures in the dataset: {pictures}, boxes: {boxes}.",
    "replaced": "Kept in place of before. Pictures in the dataset: {pictures}, boxes: {boxes}.",
    "failed": "Not kept: {why}",
    "lose": "Corrections that were not kept will be lost. Go on?",
}

CORRECT_MANY = "more than {most} boxes on a picture"
CORRECT_TWICE = "a box is decided on twice"
CORRECT_THRESHOLD = "the threshold must lie in 0..1"
CORRECT_STRANGE = "boxes decided on that were not shown: {count}"
CORRECT_OPEN = "boxes not decided on: {count}. Accept or reject each that is shown"
CORRECT_CLASS = "box {number}: there is no class {name!r}"
CORRECT_PLACE = "box {number}: its place is not a number"
CORRECT_OUTSIDE = "box {number}: it reaches out of the picture ({width} x {height})"
CORRECT_THIN = "box {number}: its sides must be at least {least} pixel"

GUARD_ELSEWHERE = "Not from here."
GUARD_NAME = "This name is not known here. Whoever runs the page adds it: kit serve --name NAME"
GUARD_CLOSED = "Not here."
GUARD_LARGE = "Too large."

LOGIN_ENTER = "Log in"
LOGIN_USER = "User"
LOGIN_PASSWORD = "Password"
LOGIN_WRONG = "The user or the password is wrong."
LOGIN_WAIT = "Too many tries. Wait {seconds} s, then try again."
LOGIN_LEAVE = "Log out"
LOGIN_FIRST = "Log in first."

API_DETECT = (
    "Look at a picture, and forget it. picture: a picture file in base64. bundle: name of a "
    "detector, as /bundles gives it; empty for the first. threshold: least score, for all classes; "
    "null for the detector's operating point. Answers what was found; xyxy is left, top, right, "
    "bottom in pixels."
)
API_BUNDLES = "The detectors served: name, model, classes, operating point, licence, sha256."
API_NO_FILES = "Files are not taken. Send a picture as base64 text."
API_MANY = "Too many arguments: there are {most} at most."
API_PICTURE = "The picture is not base64."
API_LARGE = "The picture is too large: {why}."
API_THRESHOLD = "The threshold must be from {floor:g} to 1."
