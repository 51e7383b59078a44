// Everything comes from this server: no validator badge, no external file, nothing kept in the browser.
window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "/docs/docs.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
};
