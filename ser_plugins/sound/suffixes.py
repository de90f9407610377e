"""Which names of files are recordings, wherever files are looked for; a file that is named may end in anything."""

SNDFILE = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aiff", ".aif", ".aifc", ".au", ".snd")
SNDFILE += (".caf", ".w64", ".rf64", ".sph", ".avr", ".voc", ".8svx")
# What ffmpeg decodes, where it is there: sound tracks of videos among them
FFMPEG = (".mp4", ".m4a", ".m4b", ".mov", ".3gp", ".mkv", ".mka", ".webm", ".avi", ".flv", ".aac", ".amr", ".wma")
FFMPEG += (".wmv", ".asf", ".ac3", ".spx", ".wv", ".ape", ".tta")
MEDIA = (*SNDFILE, *FFMPEG)
# Sound that nobody here reads; of MPEG program and transport streams nothing says whether all is there
UNREAD = (".mid", ".midi", ".ra", ".rm", ".ram", ".dss", ".ds2", ".qcp", ".shn", ".mpc", ".pcm", ".raw", ".sd2", ".dsf")
UNREAD += (".dff", ".dts", ".m4p", ".aax", ".aa", ".mpg", ".mpeg", ".mts", ".m2ts", ".vob", ".vox", ".gsm")
UNREAD += (".part", ".crdownload")
USUAL = "wav, flac, ogg, opus, mp3, aiff; m4a, mp4, webm, aac"
