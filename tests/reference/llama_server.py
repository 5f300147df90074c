"""llama.cpp's OpenAI-compatible server with one GGUF file on loopback, until it is ended. Needs `pip install xllamacpp`.

    python3 tests/reference/llama_server.py FILE.gguf PORT
"""

import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[2])
parameters.n_ctx = 16384
parameters.n_parallel = 2
parameters.use_jinja = True
parameters.warmup = False
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
signal.pause()
