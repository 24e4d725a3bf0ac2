"""GStreamer's webrtcbin as halloo's other side; arguments as in node/call.js:

    gstreamer.py listen HOST:PORT CODEC TONE RECORDING
    gstreamer.py call URL CODEC TONE RECORDING SECONDS

It is Debian's, driven by its introspection: run it with Debian's own Python. Its certificate is RSA.
"""

import re
import sys
import threading
import time

sys.dont_write_bytecode = True  # the sources' folder is no place for it
import whip  # noqa: E402
from whip import say  # noqa: E402

import gi  # noqa: E402

for part in ("Gst", "GstWebRTC", "GstSdp"):
    gi.require_version(part, "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

SENDERS = {
    "opus": ("opusenc ! rtpopuspay pt={pt}", "OPUS,encoding-params=(string)2", 97, 48000),
    "pcmu": ("mulawenc ! rtppcmupay pt={pt}", "PCMU", 0, 8000),
}
HEARERS = {"OPUS": "rtpopusdepay ! opusdec", "PCMU": "rtppcmudepay ! mulawdec"}


class Peer:
    def __init__(self, codec, tone, recording, payload_type=None):
        encode, name, usual, rate = SENDERS[codec]
        pt = usual if payload_type is None else payload_type
        self.recording = recording
        self.caps = f"application/x-rtp,media=audio,encoding-name={name},payload={pt},clock-rate={rate}"
        self.pipeline = Gst.parse_launch(
            "webrtcbin name=peer bundle-policy=max-bundle "
            f"audiotestsrc is-live=true wave=sine freq={tone} volume=0.25 "
            f"! audio/x-raw,rate={rate},channels=1 ! {encode.format(pt=pt)} ! {self.caps} ! queue ! peer."
        )
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("pad-added", self.hear)
        self.peer.connect("notify::connection-state", self.tell_state)
        self.complete = threading.Event()
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.pipeline.set_state(Gst.State.PLAYING)

    def tell_state(self, peer, _):
        say("state", state=peer.get_property("connection-state").value_nick)

    def gathered(self, peer, _):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self.complete.set()

    def hear(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        say("track", codec=name)
        hearer = Gst.parse_bin_from_description(
            f"{HEARERS[name]} ! audioconvert ! audioresample "
            f"! audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location={self.recording}",
            True,
        )
        self.pipeline.add(hearer)
        hearer.sync_state_with_parent()
        pad.link(hearer.get_static_pad("sink"))

    def ask(self, what, *arguments):
        """Calls a method that answers by a promise."""
        promise = Gst.Promise.new()
        self.peer.emit(what, *arguments, promise)
        promise.wait()
        return promise

    def apply(self, which, kind, sdp):
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self.ask(f"set-{which}-description", description)

    def local(self, kind):
        """Makes our description, and waits for its candidates."""
        name = "offer" if kind == GstWebRTC.WebRTCSDPType.OFFER else "answer"
        # The description belongs to the reply, and that to the promise: both have to live on.
        promise = self.ask(f"create-{name}", None)
        reply = promise.get_reply()
        self.ask("set-local-description", reply.get_value(name))
        self.complete.wait(10)
        return self.peer.get_property("local-description").sdp.as_text()

    def offer(self):
        return self.local(GstWebRTC.WebRTCSDPType.OFFER)

    def accept(self, sdp):
        self.apply("remote", GstWebRTC.WebRTCSDPType.ANSWER, sdp)

    def answer(self, sdp):
        self.apply("remote", GstWebRTC.WebRTCSDPType.OFFER, sdp)
        return self.local(GstWebRTC.WebRTCSDPType.ANSWER)

    def close(self):
        # The end of the stream lets wavenc write its header.
        self.pipeline.send_event(Gst.Event.new_eos())
        time.sleep(0.3)
        self.pipeline.set_state(Gst.State.NULL)
        say("recorded")


def call(url, codec, tone, recording, seconds):
    whip.call(Peer(codec, tone, recording), url, seconds)


def listen(address, codec, tone, recording):
    def answer(offer):
        named = re.search(rf"a=rtpmap:(\d+) {codec}/", offer, re.IGNORECASE)
        peer = Peer(codec, tone, recording, named and int(named[1]))
        return peer, peer.answer(offer)

    whip.listen(address, answer)


if __name__ == "__main__":
    Gst.init(None)
    {"call": call, "listen": listen}[sys.argv[1]](*sys.argv[2:])
