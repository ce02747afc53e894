/// The one template of the page that describes the operations to people.
///
/// Values are escaped; the unescaped form is banned by a test.
enum DescriptionTemplate {
  /// A sentence with code in it.
  private static func sentence(_ name: String) -> String {
    "{{#\(name)}}{{#isCode}}<code>{{text}}</code>{{/isCode}}{{^isCode}}{{text}}{{/isCode}}{{/\(name)}}"
  }

  private static let row = """
    <div class="row"><dt><code>{{name}}</code>{{#isRequired}}<span class="must">required</span>{{/isRequired}}<span class="kind">{{kind}}</span>{{#place}}<span class="place">{{place}}</span>{{/place}}</dt><dd>\(sentence("about"))</dd></div>
    """

  private static let operation = """
    <article id="{{id}}">
    <h3><a href="#{{id}}">{{summary}}</a></h3>
    <p class="address"><span class="method {{tone}}">{{method}}</span><code>{{path}}</code></p>
    <p class="needs">{{#ability}}A key with <code>{{ability}}</code>{{/ability}}{{^ability}}{{#isOpenable}}Any key{{/isOpenable}}{{/ability}}{{#isOpenable}}, or none where a setting opens it{{/isOpenable}}{{#isOpen}}No key{{/isOpen}}</p>
    <p class="detail">\(sentence("detail"))</p>
    <div class="pair">
    <div class="facts">
    {{#hasParameters}}<h4>Parameters</h4>
    <dl>{{#parameters}}\(row){{/parameters}}</dl>{{/hasParameters}}
    {{#hasFields}}<h4>Body: {{bodyForm}}</h4>
    <dl>{{#fields}}\(row){{/fields}}</dl>{{/hasFields}}
    </div>
    <div class="shown">
    <h4>Call</h4>
    <pre tabindex="0">{{curl}}</pre>
    {{#answers}}
    <h4><span class="status good">{{status}}</span> \(sentence("about"))</h4>
    {{#hasObjects}}<p class="links">{{#objects}}<a href="#object-{{name}}">{{name}}</a> {{/objects}}</p>{{/hasObjects}}
    {{#example}}<details open><summary>Example</summary><pre tabindex="0">{{example}}</pre></details>{{/example}}
    {{/answers}}
    <details><summary>Refusals</summary>
    <ul class="refusals">{{#refusals}}<li><span class="status">{{status}}</span> {{#codes}}<a href="#code-{{code}}"><code>{{code}}</code></a> {{/codes}}</li>{{/refusals}}</ul></details>
    </div>
    </div>
    </article>
    """

  static let html = """
    {{% CONTENT_TYPE:LATCHKEY-HTML}}<!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="robots" content="noindex">
    <title>Latchkey API</title>
    <style>%STYLE%</style>
    </head>
    <body>
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
    <p class="brand"><span class="mark" aria-hidden="true">L</span>Latchkey <span class="version">{{version}}</span></p>
    <span><a class="jump" href="#operations">Operations</a><a href="/openapi.json">openapi.json</a></span>
    </header>
    <div class="frame">
    <nav id="operations" aria-label="Operations">
    {{#chapters}}
    <h2><a href="#{{anchor}}">{{title}}</a></h2>
    <ul>{{#operations}}<li><a href="#{{id}}"><span class="method {{tone}}">{{method}}</span><span>{{summary}}</span></a></li>{{/operations}}</ul>
    {{/chapters}}
    <h2><a href="#objects">Objects</a></h2>
    <h2><a href="#codes">Refusals</a></h2>
    </nav>
    <main id="main">
    <section class="lead">
    <h1>API of the internal listener</h1>
    <p>\(sentence("about"))</p>
    <pre tabindex="0">export LATCHKEY_URL=http://127.0.0.1:8081
    export LATCHKEY_KEY=lk_…
    curl "$LATCHKEY_URL/v1/stores" -H "Authorization: Bearer $LATCHKEY_KEY"</pre>
    </section>
    {{#chapters}}
    <section class="chapter" id="{{anchor}}">
    <h2>{{title}}</h2>
    <p class="detail">\(sentence("about"))</p>
    {{#operations}}\(operation){{/operations}}
    </section>
    {{/chapters}}
    <section class="chapter" id="objects">
    <h2>Objects</h2>
    <p class="detail">What calls and answers are made of. An answer has all fields that are required, and no other than these.</p>
    {{#objects}}
    <article class="object" id="object-{{name}}">
    <h3><a href="#object-{{name}}">{{name}}</a></h3>
    <p class="detail">\(sentence("about"))</p>
    <dl>{{#fields}}\(row){{/fields}}</dl>
    </article>
    {{/objects}}
    </section>
    <section class="chapter" id="codes">
    <h2>Refusals</h2>
    <p class="detail">The <code>code</code> of a <a href="#object-Problem">Problem</a> is for programs to decide on; it never changes its meaning.</p>
    <dl class="codes">
    {{#codes}}<div class="row" id="code-{{code}}"><dt><code>{{code}}</code></dt>{{#meanings}}<dd><span class="status">{{status}}</span> \(sentence("about"))</dd>{{/meanings}}</div>{{/codes}}
    </dl>
    </section>
    </main>
    </div>
    </body>
    </html>

    """
}
