//! What version 1 of a line expects to find in a description: deflate refers to it instead of saying it.
//!
//! It is part of the format. With another dictionary lines become other lines, so that would be version 2.
//! Deflate looks for whole stretches, so it reads like a description, with what seldom occurs first.

/// At most 32 kB, which is as far as deflate looks back.
pub(super) const DICTIONARY: &str = "\
a=fmtp:111 minptime=10;useinbandfec=0;usedtx=1;stereo=1;sprop-stereo=1;maxaveragebitrate=510000\r\n\
a=candidate:1 1 tcp 1518280447 192.168.0.100 9 typ host tcptype active\r\n\
a=candidate:2 1 tcp 1518214911 10.0.0.1 50000 typ host tcptype passive\r\n\
a=candidate:3 1 udp 1694498815 203.0.113.1 50000 typ srflx raddr 0.0.0.0 rport 0\r\n\
a=candidate:4 1 udp 16777215 198.51.100.1 50000 typ relay raddr 0.0.0.0 rport 0\r\n\
a=candidate:5 1 udp 2130705919 2001:db8::1 50000 typ host\r\n\
a=candidate:6 1 udp 2130705663 fd00::1 50000 typ host\r\n\
a=ice-options:trickle ice2 renomination\r\n\
m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 13 110 126\r\n\
a=rtpmap:13 CN/8000\r\n\
a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=rtcp-fb:111 transport-cc\r\n\
a=sendonly\r\na=recvonly\r\na=inactive\r\n\
a=setup:active\r\na=setup:passive\r\n\
v=0\r\n\
o=- 0123456789 1 IN IP4 0.0.0.0\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=ice-options:trickle ice2\r\n\
m=audio 50000 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\n\
c=IN IP4 192.168.1.\r\n\
a=mid:0\r\n\
a=sendrecv\r\n\
a=msid:halloo \r\n\
a=ssrc: cname:\r\n\
a=ssrc: msid:halloo \r\n\
a=rtcp-mux\r\n\
a=rtcp-mux-only\r\n\
a=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:110 telephone-event/48000\r\n\
a=fmtp:110 0-15\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=fmtp:126 0-15\r\n\
a=ptime:20\r\n\
a=maxptime:60\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=ice-ufrag:\r\n\
a=ice-pwd:\r\n\
a=fingerprint:sha-256 :0:1:2:3:4:5:6:7:8:9:A:B:C:D:E:F\r\n\
a=setup:actpass\r\n\
a=candidate:1 1 udp 2130706431 192.168.1.2 50000 typ host\r\n\
a=candidate:2 1 udp 2130706175 10.0.0.2 50000 typ host\r\n\
a=candidate:3 1 udp 2130705919 172.16.0.2 50000 typ host\r\n\
a=end-of-candidates\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_keeps_its_dictionary() {
        assert_eq!(crc32fast::hash(DICTIONARY.as_bytes()), 0x7055_164e);
    }
}
