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
