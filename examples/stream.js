// The microphone to `ser serve`, from a page of the same server or from its console; a WebSocket is all that it needs.
async function listen(seconds, show, address = location.host) {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(microphone);
  try {
    return await stream(recorder, seconds, show, address);
  } finally {
    microphone.getTracks().forEach((track) => track.stop());
  }
}

function stream(recorder, seconds, show, address) {
  return new Promise((resolve, reject) => {
    const scheme = globalThis.location?.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${address}/stream?encoding=container&window=3&hop=1`);
    recorder.ondataavailable = ({ data }) => socket.readyState === WebSocket.OPEN && socket.send(data);
    recorder.onstop = () => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ event: "end" }));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.event === "ready") {
        recorder.start(250); // a piece every 250 ms
        setTimeout(() => recorder.state !== "inactive" && recorder.stop(), 1000 * seconds);
      } else if (message.event === "window") show(message.start, message.end, message.label, message.probabilities);
      else if (message.event === "end") resolve(message.duration);
      else reject(new Error(message.error));
    };
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`)); // after the end this changes nothing
  });
}
