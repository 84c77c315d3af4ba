#!/bin/sh
# Makes demo.flv, the clip of `millstream demo`: 8 s of H.264 (4 closed GOPs of 2 s, no B-frames)
# and AAC that loop without a seam. 8 s are exactly 200 video frames of 40 ms and 375 AAC frames of
# 1,024 samples at 48 kHz. Picture and tune repeat every 8 s; the second of three rounds is cut
# out, so that the first AAC frame of the clip continues its last one.
# Needs ffmpeg with libx264 and drawtext. All of it is made from formulas: no rights of others.
set -eu
cd "$(dirname "$0")"
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sixteen notes of half a second, in semitones above A3; each rings out before the next.
semitones=0 step=0
for semitone in 3 7 10 15 12 10 7 5 8 12 15 12 10 14 10 5; do
  semitones="$semitones+$semitone*eq(mod(floor(2*t),16),$step)"
  step=$((step + 1))
done

text="drawtext=fontfile=$font:fontcolor=white"
cat > "$work/graph" <<GRAPH
color=c=0x10243a:s=640x360:r=25,format=yuv420p,
drawbox=x=0:y=290:w=640:h=70:color=0x1f6f8b:t=fill,
$text:text=millstream:fontsize=72:x=(w-tw)/2:y=80,
$text:text='%{eif\\:mod(floor(t+0.001)\\,8)\\:d}.%{eif\\:mod(n\\,25)*4\\:d\\:2} s':
fontsize=48:x=(w-tw)/2:y=190,
$text:text='~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~   ~':
fontsize=40:x=-120+mod(t\\,2)*40:y=300+5*sin(PI*t)[river];
color=c=0xe0b050:s=16x16:r=25[boat];
[river][boat]overlay=x='312+290*sin(PI*t/4)':y='272+5*sin(PI*t)',format=yuv420p[v];
aevalsrc=exprs='0.3*exp(-5*mod(t,0.5))*sin(2*PI*mod(t,0.5)*220*pow(2,($semitones)/12))':
s=48000:c=stereo[a]
GRAPH

ffmpeg -hide_banner -loglevel error -y -filter_complex_script "$work/graph" \
  -map '[v]' -map '[a]' -t 24 \
  -c:v libx264 -profile:v main -preset veryslow -bf 0 -g 50 -keyint_min 50 -sc_threshold 0 \
  -b:v 280k -maxrate 320k -bufsize 640k -c:a aac -b:a 64k "$work/rounds.nut"

# Each kind is cut by itself, and begins at zero.
cut="ffmpeg -hide_banner -loglevel error -y -seek_timestamp 1 -ss 8.03 -i $work/rounds.nut -c copy"
$cut -map 0:v -frames:v 200 -avoid_negative_ts make_zero "$work/video.nut"
$cut -map 0:a -frames:a 375 -avoid_negative_ts make_zero "$work/audio.nut"
ffmpeg -hide_banner -loglevel error -y -i "$work/video.nut" -i "$work/audio.nut" -c copy \
  -bitexact -flvflags no_duration_filesize demo.flv
