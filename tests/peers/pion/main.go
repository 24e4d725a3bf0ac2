// Pion, WebRTC in Go, as halloo's other side; arguments as in ../node/call.js:
//
//	pion listen HOST:PORT pcmu TONE RECORDING
//	pion call URL pcmu TONE RECORDING SECONDS
//
// Pion carries packets and has no codecs: G.711 is short enough to be here.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media"
)

const (
	rate  = 8000
	frame = rate / 50
)

func say(event map[string]interface{}) {
	line, _ := json.Marshal(event)
	os.Stdout.Write(append(line, '\n'))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// ITU-T G.711, mu-law: sign, exponent and mantissa of the magnitude, all bits inverted.
func encode(sample int) byte {
	sign := 0
	if sample < 0 {
		sign, sample = 128, -sample
	}
	magnitude := sample + 132
	exponent := 7
	for exponent > 0 && magnitude>>(uint(exponent)+7) == 0 {
		exponent--
	}
	return ^byte(sign | exponent<<4 | magnitude>>(uint(exponent)+3)&15)
}

func decode(code byte) int16 {
	bits := int(^code)
	magnitude := ((bits&15)<<3+132)<<(uint(bits>>4)&7) - 132
	if bits&128 != 0 {
		return int16(-magnitude)
	}
	return int16(magnitude)
}

type peer struct {
	pc    *webrtc.PeerConnection
	mutex sync.Mutex
	heard []int16
}

func newPeer(hz float64) *peer {
	capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: rate}
	// No other codec, or the answer would name Opus first.
	codecs := &webrtc.MediaEngine{}
	only := webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: 0}
	must(codecs.RegisterCodec(only, webrtc.RTPCodecTypeAudio))
	api := webrtc.NewAPI(webrtc.WithMediaEngine(codecs))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	must(err)
	p := &peer{pc: pc}
	track, err := webrtc.NewTrackLocalStaticSample(capability, "audio", "pion")
	must(err)
	sender, err := pc.AddTrack(track)
	must(err)
	// Its reports are only handled while somebody reads.
	go io.Copy(io.Discard, readerOf(sender))
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		say(map[string]interface{}{"event": "track", "codec": remote.Codec().MimeType})
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			p.mutex.Lock()
			for _, code := range packet.Payload {
				p.heard = append(p.heard, decode(code))
			}
			p.mutex.Unlock()
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		say(map[string]interface{}{"event": "state", "state": state.String()})
		if state == webrtc.PeerConnectionStateConnected {
			go send(track, hz)
		}
	})
	return p
}

type reader struct{ sender *webrtc.RTPSender }

func readerOf(sender *webrtc.RTPSender) io.Reader { return reader{sender} }

func (r reader) Read(into []byte) (int, error) {
	n, _, err := r.sender.Read(into)
	return n, err
}

// A sine at a quarter of full scale, 20 ms at a time.
func send(track *webrtc.TrackLocalStaticSample, hz float64) {
	sent := 0
	for range time.Tick(20 * time.Millisecond) {
		payload := make([]byte, frame)
		for n := range payload {
			payload[n] = encode(int(8192 * math.Sin(2*math.Pi*hz*float64(sent+n)/rate)))
		}
		sent += frame
		must(track.WriteSample(media.Sample{Data: payload, Duration: 20 * time.Millisecond}))
	}
}

// The description with every candidate.
func (p *peer) complete(description webrtc.SessionDescription, err error) string {
	must(err)
	complete := webrtc.GatheringCompletePromise(p.pc)
	must(p.pc.SetLocalDescription(description))
	<-complete
	return p.pc.LocalDescription().SDP
}

func (p *peer) remote(kind webrtc.SDPType, sdp string) {
	must(p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: sdp}))
}

// A mono WAV.
func (p *peer) record(path string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var file bytes.Buffer
	write := func(parts ...interface{}) {
		for _, part := range parts {
			must(binary.Write(&file, binary.LittleEndian, part))
		}
	}
	size := uint32(2 * len(p.heard))
	write([]byte("RIFF"), 36+size, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1))
	write(uint32(rate), uint32(2*rate), uint16(2), uint16(16), []byte("data"), size, p.heard)
	must(os.WriteFile(path, file.Bytes(), 0o644))
	say(map[string]interface{}{"event": "recorded"})
}

func call(target string, p *peer, path string, seconds int) {
	offer := p.complete(p.pc.CreateOffer(nil))
	answer, err := http.Post(target, "application/sdp", bytes.NewBufferString(offer))
	must(err)
	sdp, err := io.ReadAll(answer.Body)
	must(err)
	base, err := url.Parse(target)
	must(err)
	location, err := base.Parse(answer.Header.Get("Location"))
	must(err)
	p.remote(webrtc.SDPTypeAnswer, string(sdp))
	time.Sleep(time.Duration(seconds) * time.Second)
	p.record(path)
	request, err := http.NewRequest(http.MethodDelete, location.String(), nil)
	must(err)
	deleted, err := http.DefaultClient.Do(request)
	must(err)
	say(map[string]interface{}{"event": "deleted", "status": deleted.StatusCode})
}

func listen(address string, p *peer, path string) {
	listener, err := net.Listen("tcp", address)
	must(err)
	say(map[string]interface{}{"event": "listening", "port": listener.Addr().(*net.TCPAddr).Port})
	over := make(chan struct{})
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			sdp, err := io.ReadAll(r.Body)
			must(err)
			p.remote(webrtc.SDPTypeOffer, string(sdp))
			answer := p.complete(p.pc.CreateAnswer(nil))
			w.Header().Set("Content-Type", "application/sdp")
			w.Header().Set("Location", "/calls/1")
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, answer)
		case http.MethodDelete:
			p.record(path)
			w.WriteHeader(http.StatusOK)
			// Once this function is left, the answer is on its way.
			time.AfterFunc(200*time.Millisecond, func() { close(over) })
		}
	}))
	<-over
}

func main() {
	hz, err := strconv.ParseFloat(os.Args[4], 64)
	must(err)
	p := newPeer(hz)
	if os.Args[1] == "listen" {
		listen(os.Args[2], p, os.Args[5])
	} else {
		seconds, err := strconv.Atoi(os.Args[6])
		must(err)
		call(os.Args[2], p, os.Args[5], seconds)
	}
}
