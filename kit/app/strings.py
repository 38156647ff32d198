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
