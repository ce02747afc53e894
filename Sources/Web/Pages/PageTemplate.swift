/// The one template of all pages that a merchant sees.
///
/// Values are escaped; the unescaped form is banned by a test.
enum PageTemplate {
  static let html = """
    {{% CONTENT_TYPE:LATCHKEY-HTML}}<!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="robots" content="noindex">
    <title>{{title}} · {{brand}}</title>
    <style>%STYLE%</style>
    </head>
    <body class="{{tone}}">
    <main>
    <header>
    {{#logo}}<img src="{{logo}}" alt="{{brand}}" height="40">{{/logo}}
    {{^logo}}<span class="mark" aria-hidden="true">{{initial}}</span><span class="name">{{brand}}</span>{{/logo}}
    </header>
    <section>
    {{#isGood}}
    <svg class="sign" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M15 24.6l6.2 6.2L33.4 18"/></svg>
    {{/isGood}}
    {{#isWaiting}}
    <svg class="sign" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M24 13.5V24l6.6 4.4"/></svg>
    {{/isWaiting}}
    {{#isBad}}
    <svg class="sign" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="24"/><path d="M24 13v14.5M24 34.4v.2"/></svg>
    {{/isBad}}
    <h1>{{title}}</h1>
    <p class="lead">{{lead}}</p>
    {{#store}}<p class="store"><span>Store</span> <code>{{store}}</code></p>{{/store}}
    </section>
    {{#hasSteps}}
    <section>
    <h2>What to do</h2>
    <ol>
    {{#steps}}
    <li>{{.}}</li>
    {{/steps}}
    </ol>
    </section>
    {{/hasSteps}}
    {{#hasMissingScopes}}
    <section class="note">
    <h2>Some permissions are missing</h2>
    <p>The store did not grant everything that {{brand}} asks for, so a part of it may not work. Uninstall the app under Apps and install it again to grant:</p>
    <ul>
    {{#missingScopes}}
    <li><code>{{.}}</code></li>
    {{/missingScopes}}
    </ul>
    </section>
    {{/hasMissingScopes}}
    <footer>
    {{#support}}<a href="{{support}}" target="_blank" rel="noopener noreferrer">Get help</a>{{/support}}
    {{#requestID}}<span class="id">Request ID <code>{{requestID}}</code></span>{{/requestID}}
    </footer>
    </main>
    </body>
    </html>

    """
}
