#!${VENV}/bin/python
"""Serves a TurboGears application by FastCGI on the listening socket that spawn-fcgi puts on descriptor 0.

What goes wrong is in stderr.log; the exit status says of what kind it is:
78 a setting, 69 a package is missing, 66 the project cannot be read, 70 it fails to load, 73 no log can be written
(then the reason is on standard error only), 64 not started by spawn-fcgi.
"""

import configparser
import importlib
import importlib.util
import logging
import os
import pwd
import socket
import sys
import time
import traceback

# Your settings:
code_dir = '${PROJECTBASE}'  # (required) the directory that holds the project
root_class = '${PROJECTNAME}.controllers.Root'  # (required) the root controller: package.module.Class
log_dir = '${LOGS}'  # directory of stdout.log and stderr.log; '' means code_dir
virtual_path = '/wiki'  # where on the site the application is; '' means all of it
# End of your settings.

EX_USAGE, EX_NOINPUT, EX_UNAVAILABLE, EX_SOFTWARE, EX_CANTCREAT, EX_CONFIG = 64, 66, 69, 70, 73, 78


def main():
    log_problem = open_logs()
    check_settings(log_problem)
    check_packages()
    application = load_application()
    check_socket()
    serve(below(virtual_path, application))


def open_logs():
    """Goes to the log directory and appends all output to the files there. It comes first, so that every error finds
    a log; where log_dir will not do, the code directory is tried. Returns what is wrong with log_dir, or None."""
    problems = []
    for directory in filter(None, (log_dir, code_dir)):
        try:
            os.chdir(directory)
            streams = [open(f'{name}.log', 'a', buffering=1) for name in ('stdout', 'stderr')]
        except OSError as error:
            problems.append(f'no log can be written in {directory} as user {user()}: {error}')
            continue
        sys.stdout, sys.stderr = streams
        # The descriptors as well, for what Python itself and libraries in C have to say.
        for descriptor, stream in enumerate(streams, start=1):
            os.dup2(stream.fileno(), descriptor)
        return problems[0] if problems else None
    check_settings(None)
    give_up(EX_CANTCREAT, *problems)


def check_settings(log_problem):
    if not code_dir:
        give_up(EX_CONFIG, 'code_dir is not set: it names the directory that holds the project')
    for name, directory in (('code_dir', code_dir), ('log_dir', log_dir)):
        if directory and not os.path.isabs(directory):
            give_up(EX_CONFIG, f'{name} is {directory!r}: it has to be a full path, one that begins with /')
    try:
        os.listdir(code_dir)
    except PermissionError as error:
        give_up(EX_NOINPUT, f'code_dir cannot be read by user {user()}: {error}')
    except OSError as error:
        give_up(EX_CONFIG, f'code_dir is wrong: {error}')
    if log_problem:
        give_up(EX_CONFIG, f'log_dir is wrong: {log_problem}')
    if not root_class:
        give_up(EX_CONFIG, 'root_class is not set: it names the root controller, as in wiki20.controllers.Root')
    if '.' not in root_class or not all(part.isidentifier() for part in root_class.split('.')):
        advice = 'it has to be fully qualified, as in wiki20.controllers.Root'
        give_up(EX_CONFIG, f'root_class is {root_class!r}: {advice}')
    if virtual_path and (not virtual_path.startswith('/') or virtual_path.endswith('/')):
        give_up(EX_CONFIG, f'virtual_path is {virtual_path!r}: it has to begin with / and not to end with it')


def check_packages():
    """Only looks for them: importing takes longer than spawn-fcgi watches a start."""
    for package, project in (('flup', 'flup'), ('tg', 'TurboGears2')):
        if importlib.util.find_spec(package) is None:
            give_up(EX_UNAVAILABLE, f'{project} is not installed in {sys.prefix}')


def load_application():
    config = read_config()
    module_name, _, class_name = root_class.rpartition('.')
    sys.path.insert(0, code_dir)
    try:
        module = importlib.import_module(module_name)
        if not hasattr(module, class_name):
            give_up(EX_CONFIG, f'root_class is {root_class!r}: {module.__file__} has no {class_name}')
        return make_application(getattr(module, class_name), config)
    except Exception as error:
        explain_failure(module_name, error)


def read_config():
    """dev.cfg in a checkout, which has a setup.py, and prod.cfg where the project is deployed."""
    name = 'dev.cfg' if os.path.exists(os.path.join(code_dir, 'setup.py')) else 'prod.cfg'
    path = os.path.join(code_dir, name)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
        config = dict(parser['global'])
    except OSError as error:
        give_up(EX_NOINPUT, f'the configuration cannot be read by user {user()}: {error}')
    except (configparser.Error, KeyError, UnicodeError) as error:
        give_up(EX_CONFIG, f'{path} has to be an INI file with a section [global]: {error}')
    print(f'{now()} {os.getpid()}: {root_class} with {name}')
    return config


def make_application(root, config):
    from tg import MinimalApplicationConfigurator
    from tg.util import Bunch

    configurator = MinimalApplicationConfigurator()
    configurator.update_blueprint(
        {
            'root_controller': root(),
            'renderers': ['json'],
            'default_renderer': 'json',
            'helpers': Bunch(),
            'app_globals': Bunch,
        }
    )
    return configurator.make_wsgi_app(config)


def explain_failure(module_name, error):
    traceback.print_exc()
    unreadable = first_unreadable(os.path.join(code_dir, module_name.partition('.')[0]))
    if unreadable:
        give_up(EX_NOINPUT, f'{unreadable} cannot be read by user {user()}')
    if isinstance(error, ModuleNotFoundError) and error.name:
        if f'{module_name}.'.startswith(f'{error.name}.'):
            give_up(EX_CONFIG, f'root_class is {root_class!r}: there is no {error.name} in {code_dir}')
        give_up(EX_UNAVAILABLE, f'{error.name} is not installed in {sys.prefix}')
    give_up(EX_SOFTWARE, f'{root_class} cannot be loaded: {error!r}')


def first_unreadable(top):
    """The first directory or file of the package that this user may not read."""
    paths = [top] if os.path.exists(top) else []
    for directory, names, files in os.walk(top):
        paths += [os.path.join(directory, name) for name in names + files]
    for path in paths:
        wanted = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
        if not os.access(path, wanted):
            return path
    return None


def check_socket():
    try:
        with socket.socket(fileno=os.dup(0)) as listener:
            listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listening = False
    if not listening:
        give_up(EX_USAGE, 'all is well so far, but descriptor 0 is no listening socket: spawn-fcgi starts this script')


def below(prefix, application):
    """Moves the prefix from the path to SCRIPT_NAME, which makes links right. Outside it nothing is found."""

    def strip(environ, start_response):
        path = environ['PATH_INFO']
        if path == prefix:
            path += '/'
        if not path.startswith(f'{prefix}/'):
            start_response('404 Not Found', [('Content-Type', 'text/plain; charset=utf-8')])
            return [f'Nothing here: the application is at {prefix}/\n'.encode()]
        environ['SCRIPT_NAME'] = prefix
        environ['PATH_INFO'] = path[len(prefix) :]
        return application(environ, start_response)

    return strip


def serve(application):
    from flup.server.fcgi import WSGIServer

    class Server(WSGIServer):
        def handler(self, request):
            # nginx puts the whole path into SCRIPT_NAME, and fastcgi_index behind a final slash. DOCUMENT_URI is the
            # path as it was asked for.
            request.params.update(SCRIPT_NAME='', PATH_INFO=request.params['DOCUMENT_URI'])
            return super().handler(request)

        def error(self, request):
            traceback.print_exc()
            super().error(request)

        def shutdown(self):
            # flup forgets a connection that it has accepted when no thread has taken it up yet.
            while self._threadPool._workQueue:
                time.sleep(0.001)
            super().shutdown()

    # All workers wait for the same connection and one gets it: the others must not hang in accept(), deaf to TERM.
    os.set_blocking(0, False)
    Server(application).run()


def give_up(status, *lines):
    for line in lines:
        print(f'{now()} {os.getpid()}: {line}', file=sys.stderr)
    sys.exit(status)


def now():
    return time.strftime('%Y-%m-%d %H:%M:%S')


def user():
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return os.geteuid()


logging.basicConfig(level=logging.WARNING)
main()
