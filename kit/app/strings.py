"""Every word the page says, in one place, so that another language is another file."""

TITLE = "Detector"
RESEARCH_ONLY = "Research use only. Not a medical device."
LICENCE = "Licence of the model: {licence}"
BUNDLE = "Detector"

PICTURE = "Picture"
PICTURE_DROP = "Drop pictures here, paste one, or choose them"
PICTURE_NONE = (
    "No picture yet. What you show stays in this machine's memory, and is forgotten soon."
)
PICTURE_NUMBER = "Picture {number} of {count}"
PICTURE_FAILED = "{title} could not be looked at: {why}"
TOO_LARGE = "it is larger than {most} MB"
NO_BUNDLE = "There is no such detector here."
FORGOTTEN = "This picture was forgotten. Show it again."

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
    "fit": "scale",
    "copy_in": "to the device",
    "run": "look",
    "copy_out": "back",
    "post": "sort",
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

AUDIT_FAILED = "The audit log can't be written ({why}): nothing is shown until it can"

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
