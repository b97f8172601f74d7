"""The example application: a page with a form."""

import os
from html import escape

from tg import TGController, config, expose, url

PAGE = """<!doctype html>
<title>{heading}</title>
<link rel="stylesheet" href="/css/style.css">
<h1>{heading}</h1>
<form method="post" action="{action}"><input name="name"><button>Greet</button></form>
<p>{mode} mode, worker {worker}</p>
"""


class Root(TGController):
    @expose()
    def index(self):
        return page('Hello from TurboGears')

    @expose()
    def greet(self, name='nobody'):
        return page(f'Hello, {name}')


def page(heading):
    return PAGE.format(
        heading=escape(heading),
        action=url('/greet'),
        mode=config['example.mode'],
        worker=os.getpid(),
    )
